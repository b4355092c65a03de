// Ends of shares and links, as days. Nothing here touches the page.

const DAY = 86_400; // seconds
export const DEFAULT_DAYS = 30;

const two = (number) => String(number).padStart(2, '0');

/** The day of a moment here, as a date field writes it. */
export function localDay(moment) {
  const day = new Date(moment);
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** The day `days` after `now`. */
export function dayIn(days, now = new Date()) {
  return localDay(new Date(now.getFullYear(), now.getMonth(), now.getDate() + days));
}

/** The end of a day here, as the server takes it; null for no day. */
export function endOf(day) {
  return day ? new Date(`${day}T23:59:59`).toISOString() : null;
}

/** How long it is until this time on that day, in seconds: whole days, however long they are. */
export function secondsUntil(day, now = new Date()) {
  const [year, month, date] = day.split('-').map(Number);
  return Math.round((Date.UTC(year, month - 1, date) - Date.UTC(now.getFullYear(), now.getMonth(), now.getDate())) / 1000 / DAY) * DAY;
}
