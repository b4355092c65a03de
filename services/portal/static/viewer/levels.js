// From stored values to grey levels: modality transform, window or VOI LUT, presentation (PS3.3 C.11.1, C.11.2).
// The same function as the server's renderings, so that a preview and the values behind it look alike.

/**
 * @typedef {import('./frame-info.js').FrameInfo} FrameInfo
 * @typedef {{kind: 'window', center: number, width: number, function: string} | {kind: 'lut'}} Window
 * @typedef {Uint8Array | Int8Array | Uint16Array | Int16Array | Float32Array} Values
 */

const TOP = 255;
const MOST = [0.01, 0.99]; // of the values lie between, where no window is named

/** Modality value of a stored one. @param {FrameInfo} info */
export function modality(info, stored) {
  return stored * info.slope + info.intercept;
}

/** Whether a stored value stands for "no pixel here" (PS3.3 C.7.5.1.1.2). @param {FrameInfo} info */
export function isPadding(info, stored) {
  return Boolean(info.padding) && stored >= info.padding[0] && stored <= info.padding[1];
}

/**
 * How a window turns modality values into 0 … 255 before they are rounded down; shaders are told the same. `ramp`:
 * (value − low) · gain, clipped, or a step above `low` where there is no gain.
 * @typedef {{form: 'ramp' | 'sigmoid' | 'lut', low?: number, gain?: number, first?: number, levels?: Uint8Array}} Shape
 * @param {FrameInfo} info @param {Window} window @returns {Shape}
 */
export function shape(info, window) {
  if (window.kind === 'lut') return { form: 'lut', levels: lutLevels(info), first: info.voi_lut.first };
  const { center, width } = window;
  if (window.function === 'SIGMOID') return { form: 'sigmoid', low: center, gain: -4 / width };
  const [middle, wide] = window.function === 'LINEAR_EXACT' ? [center, width] : [center - 0.5, width - 1];
  if (wide < 1e-6) return { form: 'ramp', low: middle, gain: 0 };
  return { form: 'ramp', low: middle - wide / 2, gain: TOP / wide };
}

// The whole range of the table becomes 0 … 255, inverted before rounding as windows are.
function lutLevels({ voi_lut: { entries }, presentation_inverse: inverse }) {
  const gain = TOP / entries.reduce((top, entry) => Math.max(top, entry), 1);
  return Uint8Array.from(entries, (entry) => Math.floor(inverse ? TOP - entry * gain : entry * gain));
}

/** Modality value → level 0 … 255, presentation included. @param {FrameInfo} info @param {Window} window */
export function levelOf(info, window) {
  const { form, low = 0, gain = 0, levels, first = 0 } = shape(info, window);
  if (form === 'lut') {
    const last = levels.length - 1;
    return (value) => levels[Math.min(Math.max(Math.trunc(value) - first, 0), last)];
  }
  const turned = info.presentation_inverse ? (level) => Math.floor(TOP - level) : Math.floor;
  if (form === 'sigmoid') {
    return (value) => turned(TOP / (1 + Math.exp(Math.min(Math.max((value - low) * gain, -80), 80))));
  }
  if (gain === 0) return (value) => turned(value > low ? TOP : 0);
  return (value) => turned(Math.min(Math.max((value - low) * gain, 0), TOP));
}

/** Stored value → level 0 … 255: padding is black. @param {FrameInfo} info @param {Window} window */
export function transfer(info, window) {
  const level = levelOf(info, window);
  return (stored) => (isPadding(info, stored) ? 0 : level(modality(info, stored)));
}

/**
 * The level of every stored value of up to 16 bits, by its bits read without sign. `invert` comes last and is the
 * reader's. @param {FrameInfo} info @param {Window} window
 */
export function table(info, window, { invert = false } = {}) {
  const level = transfer(info, window);
  const [size, signed] = [info.values.endsWith('16') ? 65536 : 256, info.values.startsWith('int')];
  return Uint8Array.from({ length: size }, (_, bits) => {
    const found = level(signed && bits >= size / 2 ? bits - size : bits);
    return invert ? TOP - found : found;
  });
}

// How many values there are, and a function that gives each by its rank. Few different values are counted, not sorted.
function ranked(values, info) {
  if (values instanceof Float32Array) {
    const sorted = values.filter((stored) => Number.isFinite(stored) && !isPadding(info, stored)).sort();
    return { size: sorted.length, at: (rank) => sorted[rank] };
  }
  const counts = new Uint32Array(65536);
  for (const stored of values) counts[stored + 32768 & 65535] += 1;
  const lowest = info.values.startsWith('int') ? -32768 : 0;
  const countOf = (stored) => (isPadding(info, stored) ? 0 : counts[stored + 32768 & 65535]);
  let size = 0;
  for (let step = 0; step < 65536; step += 1) size += countOf(lowest + step);
  const at = (rank) => {
    let stored = lowest - 1;
    for (let passed = 0; passed <= rank; passed += countOf(stored)) stored += 1;
    return stored;
  };
  return { size, at };
}

// Where some share of all values lies, between two of them if need be.
function quantile({ size, at }, share) {
  const rank = (size - 1) * share;
  const below = at(Math.floor(rank));
  return below + (at(Math.ceil(rank)) - below) * (rank % 1);
}

/** Window over these modality values, exactly. @returns {Window} */
function between(low, high) {
  return { kind: 'window', center: (low + high) / 2, width: Math.abs(high - low) || 1, function: 'LINEAR_EXACT' };
}

/** From dark to bright where most values lie; all of them where that is one value. @param {Values} values
 * @param {FrameInfo} info @returns {Window} */
export function auto(values, info) {
  const found = ranked(values, info);
  if (!found.size) return between(0, 1);
  const [low, high] = MOST.map((share) => quantile(found, share));
  if (low === high) return full(values, info);
  return between(modality(info, low), modality(info, high));
}

/** Over all values of the frame. @param {Values} values @param {FrameInfo} info @returns {Window} */
export function full(values, info) {
  let [low, high] = [Infinity, -Infinity];
  for (const stored of values) {
    if (!Number.isFinite(stored) || isPadding(info, stored)) continue;
    if (stored < low) low = stored;
    if (stored > high) high = stored;
  }
  return low <= high ? between(modality(info, low), modality(info, high)) : between(0, 1);
}

/** A window of the header that makes sense, or null. @param {import('./frame-info.js').HeaderWindow} header
 * @returns {Window | null} */
export function headerWindow({ center, width, function: name }) {
  const kind = (name || 'LINEAR').toUpperCase();
  const sound = Number.isFinite(center) && width > 0 && (kind !== 'LINEAR' || width >= 1);
  return sound ? { kind: 'window', center, width, function: kind } : null;
}

/**
 * What an image is shown with at first: its VOI LUT, else its first window, else where most values lie; null where
 * nothing is known yet. @param {FrameInfo} info @param {Values | null} [values] @returns {Window | null}
 */
export function defaultWindow(info, values = null) {
  if (info.values === 'rgb8') return null;
  if (info.voi_lut) return { kind: 'lut' };
  const [first] = info.windows ?? [];
  const named = first ? headerWindow(first) : null;
  if (named) return named;
  if (values) return auto(values, info);
  return info.range ? between(...info.range) : null;
}

/** Center and width to show for a window: those of a VOI LUT are where its table begins and ends.
 * @param {Window} window @param {FrameInfo} info @returns {{center: number, width: number}} */
export function shown(window, info) {
  if (window.kind === 'window') return window;
  const { first, entries } = info.voi_lut;
  return { center: first + entries.length / 2, width: entries.length };
}

/** A window that can be moved: of a VOI LUT, the one over its table.
 * @param {Window} window @param {FrameInfo} info @returns {Extract<Window, {kind: 'window'}>} */
export function movable(window, info) {
  return window.kind === 'window' ? window : { kind: 'window', ...shown(window, info), function: 'LINEAR' };
}
