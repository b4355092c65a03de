// What lies over the histogram of a result: its window, in values of the modality.

import { modality, shown } from './levels.js';
import { between } from './pane.js';

const FINEST = 1000; // parts of a window that numbers tell apart

/**
 * The histogram of a result in values of the modality; null where there is none, and where the header tells no line
 * from one to the other but a table. @param {any} result @param {import('./frame-info.js').FrameInfo} info
 */
export function histogramOf(result, info) {
  const histogram = result?.statistics?.histogram;
  if (!histogram || '00283000' in (result.raw_data ?? {})) return null;
  const { counts, min, max } = histogram;
  const [low, high] = [modality(info, min), modality(info, max)];
  return low <= high ? { counts, min: low, max: high } : { counts: [...counts].reverse(), min: high, max: low };
}

/** Decimals of centre and width: as many as the steps of the values need, one more where a window holds few of them. */
export function digitsOf({ values, slope }, width) {
  const step = values === 'float32' ? 0 : Math.abs(slope);
  const told = width > 10 * step ? Math.max(step, width / FINEST) : step / 10;
  return Math.min(Math.max(Math.ceil(-Math.log10(told)), 0), 8);
}

/** As components take it. @param {(window: import('./levels.js').Window) => void} change @returns {import('../ui/window-band.js').Window} */
export function bandOf(window, info, change) {
  const { center, width } = shown(window, info);
  return {
    low: center - width / 2,
    high: center + width / 2,
    unit: info.unit ?? '',
    digits: digitsOf(info, width),
    onChange: (low, high) => change(between(low, high, window)),
  };
}
