// Spans of days as addresses write them: `today`, `yesterday`, `7d` (the last seven days) or `2026-01-01..2026-01-31`,
// of which either end may be left out. Those that are relative stay so. Nothing here touches the page.

export const PRESETS = ['today', 'yesterday', '7d', '30d', '365d'];

const DAY = /^\d{4}-\d\d-\d\d$/;

function dayText(date) {
  const [month, day] = [date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0'));
  return `${date.getFullYear()}-${month}-${day}`;
}

function before(now, days) {
  return dayText(new Date(now.getFullYear(), now.getMonth(), now.getDate() - days));
}

/** The first and the last day, '' for no end: {from, to}; null for what is no span. */
export function daysOf(span, now = new Date()) {
  if (span === 'today') return { from: before(now, 0), to: before(now, 0) };
  if (span === 'yesterday') return { from: before(now, 1), to: before(now, 1) };
  const days = /^([1-9]\d{0,4})d$/.exec(span);
  if (days) return { from: before(now, Number(days[1]) - 1), to: '' };
  const [from, to = from, ...rest] = span.split('..');
  const fits = rest.length === 0 && [from, to].every((day) => day === '' || DAY.test(day)) && (from || to);
  return fits ? { from, to } : null;
}

/** The span between two days; '' for none. */
export function spanOf(from, to) {
  return from || to ? `${from}..${to}` : '';
}

/** The same as instants of the reader's clock: from the first, up to and without the second; '' for no end. */
export function momentsOf(span, now = new Date()) {
  const days = daysOf(span, now);
  if (days === null) return { from: '', to: '' };
  return { from: midnight(days.from, 0), to: midnight(days.to, 1) };
}

function midnight(day, later) {
  if (day === '') return '';
  const [year, month, date] = day.split('-').map(Number);
  return new Date(year, month - 1, date + later).toISOString();
}
