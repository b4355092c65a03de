// Days of headers: they have no time zone, and ages are counted in what fits them.

/** A day as a Date at midnight UTC, or null. */
export function dayOf(text) {
  const match = /^(\d{4})-(\d\d)-(\d\d)/.exec(text ?? '');
  return match ? new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]))) : null;
}

/** How old somebody born at `birth` was at `at` (days): {value, unit: 'year'|'month'|'day'}, or null. */
export function ageAt(birth, at) {
  const [from, to] = [dayOf(birth), dayOf(at)];
  if (from === null || to === null || to < from) return null;
  const early = to.getUTCDate() < from.getUTCDate() ? 1 : 0;
  const months =
    (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth() - early;
  if (months >= 24) return { value: Math.floor(months / 12), unit: 'year' };
  if (months >= 1) return { value: months, unit: 'month' };
  return { value: Math.round((to.getTime() - from.getTime()) / 86_400_000), unit: 'day' };
}
