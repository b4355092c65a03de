// What is shown in one viewport, and how: plain values, changed by making new ones.

/**
 * `window` is null where each image has its own (the header's first, else what fits its values).
 * `image`: the file that the address named, until its stack has come.
 * @typedef {{kind: 'window', center: number, width: number, function: string} | {kind: 'lut'}} Window
 * @typedef {{series: string, order: string, group: number, index: number, image: string, window: Window | null, invert: boolean,
 *   rotate: number, flipH: boolean, flipV: boolean, zoom: number, pan: [number, number], fit: boolean}} Pane
 */

const ZOOMS = [0.05, 40]; // of the size that fits

/** How an image is shown at first. */
const AS_IT_IS = { invert: false, rotate: 0, flipH: false, flipV: false, zoom: 1, pan: [0, 0], fit: true };

/** @returns {Pane} */
export function newPane(series = '', image = '') {
  return /** @type {Pane} */ ({ series, order: '', group: 0, index: 0, image, window: null, ...AS_IT_IS });
}

/** Without what the reader did to it; the place in the stack stays. @param {Pane} pane @returns {Pane} */
export function reset(pane) {
  return /** @type {Pane} */ ({ ...pane, window: null, ...AS_IT_IS });
}

/** At image `index` of `count`, or the nearest that there is. @param {Pane} pane @returns {Pane} */
export function movedTo(pane, index, count) {
  return { ...pane, index: Math.max(Math.min(index, count - 1), 0) };
}

/** Turned clockwise by `degrees` as the reader sees it. @param {Pane} pane @returns {Pane} */
export function turned(pane, degrees) {
  return { ...pane, rotate: (pane.rotate + degrees + 360) % 360 };
}

/** Mirrored as the reader sees it: left to right, or top to bottom. @param {Pane} pane @returns {Pane} */
export function flipped(pane, vertically) {
  // An image that lies on its side is mirrored along its other axis.
  const side = pane.rotate % 180 !== 0;
  return vertically !== side ? { ...pane, flipV: !pane.flipV } : { ...pane, flipH: !pane.flipH };
}

/** `factor` times as large; what lies at (x, y), CSS pixels from the centre of the viewport, stays there. @param {Pane} pane @returns {Pane} */
export function zoomed(pane, factor, x = 0, y = 0) {
  const zoom = Math.min(Math.max(pane.zoom * factor, ZOOMS[0]), ZOOMS[1]);
  const by = zoom / pane.zoom;
  return { ...pane, zoom, pan: [x - (x - pane.pan[0]) * by, y - (y - pane.pan[1]) * by] };
}

/** @param {Pane} pane @returns {Pane} */
export function panned(pane, x, y) {
  return { ...pane, pan: [pane.pan[0] + x, pane.pan[1] + y] };
}

/** How much one press of a key changes a window of this width. */
function stepOf(width) {
  return 2 ** Math.floor(Math.log2(Math.max(width, 1e-6) / 64));
}

/** A window that is moved and widened; never narrower than a hundredth of a key's step, nor than its function takes. */
export function windowed(window, center, width) {
  const narrowest = window.function === 'LINEAR' ? 1 : stepOf(window.width) / 100; // PS3.3 C.11.2.1.2
  return { ...window, center: window.center + center, width: Math.max(window.width + width, narrowest) };
}

/** A window that keys or a drag change: `center` and `width` in steps. */
export function stepped(window, center, width) {
  const step = stepOf(window.width);
  return windowed(window, center * step, width * step);
}

/** The window from `low` to `high`, by the function of the one before. @returns {Window} */
export function between(low, high, of) {
  const linear = of?.kind === 'window' && of.function !== 'SIGMOID' ? of.function : 'LINEAR';
  const width = Math.max(high - low, linear === 'LINEAR' ? 1 : 1e-9);
  return { kind: 'window', center: (low + high) / 2, width, function: linear };
}
