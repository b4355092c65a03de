// Numbers, sizes and dates as the reader's language writes them.

import { currentLanguage, t } from './i18n.js';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Up to `digits` decimals; very large and very small values in scientific notation; "—" for none. */
export function formatNumber(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '—';
  const size = Math.abs(value);
  const scientific = size !== 0 && (size >= 1e12 || size < 10 ** -digits);
  /** @type {Intl.NumberFormatOptions} */
  const options = scientific
    ? { notation: 'scientific', maximumSignificantDigits: 6 }
    : { maximumFractionDigits: digits };
  return new Intl.NumberFormat(currentLanguage(), options).format(value);
}

/** A share of one as a percentage, with up to `digits` decimals. */
export function formatPercent(value, digits = 0) {
  return new Intl.NumberFormat(currentLanguage(), { style: 'percent', maximumFractionDigits: digits }).format(value);
}

/** Bytes in binary units, three significant digits. */
export function formatBytes(bytes) {
  if (bytes === null || bytes === undefined) return '—';
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** power;
  const digits = power === 0 || value >= 100 ? 0 : 1;
  return `${new Intl.NumberFormat(currentLanguage(), { maximumFractionDigits: digits }).format(value)} ${UNITS[power]}`;
}

/** Bytes in binary units and, where that rounds, the exact count: the parts between which a line may break. */
export function exactBytesParts(bytes) {
  const exact = bytes >= 1024 ? [t('format.exactBytes', { bytes })] : [];
  return [formatBytes(bytes), ...exact];
}

/** A moment in local time; "—" for none. */
export function formatTime(iso, { seconds = false } = {}) {
  if (!iso) return '—';
  return new Intl.DateTimeFormat(currentLanguage(), {
    dateStyle: 'medium',
    timeStyle: seconds ? 'medium' : 'short',
  }).format(new Date(iso));
}

/** A day of a header ("2026-01-31"), which has no time zone. */
export function formatDay(text) {
  const [year, month, day] = text.split('-').map(Number);
  return new Intl.DateTimeFormat(currentLanguage(), { dateStyle: 'medium', timeZone: 'UTC' }).format(
    new Date(Date.UTC(year, month - 1, day)),
  );
}

/** How long something took: milliseconds below a second, then seconds, minutes, hours. */
export function formatSeconds(seconds) {
  const [value, unit] =
    seconds < 1
      ? [Math.round(seconds * 1000), 'millisecond']
      : seconds < 120
        ? [seconds, 'second']
        : seconds < 7200
          ? [seconds / 60, 'minute']
          : [seconds / 3600, 'hour'];
  const digits = unit !== 'millisecond' && value < 100 ? 1 : 0;
  return new Intl.NumberFormat(currentLanguage(), { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits }).format(value);
}
