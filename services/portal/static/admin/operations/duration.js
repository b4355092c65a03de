// Spans of time and rates, as people say them.

import { formatNumber } from '../../app/format.js';
import { currentLanguage } from '../../app/i18n.js';

const UNITS = /** @type {const} */ ([
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
]);

/** Seconds in the largest unit of which there are two or more, e.g. "3 min"; "—" for none. */
export function formatSpan(seconds) {
  if (seconds === null || seconds === undefined) return '—';
  const [unit, size] = UNITS.find(([, one]) => seconds >= 2 * one) ?? ['second', 1];
  const value = seconds / size;
  return new Intl.NumberFormat(currentLanguage(), {
    style: 'unit',
    unit,
    unitDisplay: 'short',
    maximumFractionDigits: unit !== 'second' || value >= 10 ? 0 : value >= 1 ? 1 : 2,
  }).format(value);
}

/** Seconds since a moment, by this browser's clock; never below nought. */
export function secondsSince(iso, now = Date.now()) {
  return Math.max(0, (now - Date.parse(iso)) / 1000);
}

/** How many an hour, from how many there were within one. */
export function formatHourly(count, most = 100_000) {
  return count >= most ? `≥ ${formatNumber(most)}` : formatNumber(count);
}
