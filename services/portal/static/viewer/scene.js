// What is drawn of a frame, and how: the same for WebGL and for a 2D canvas. Nothing here touches the page.

import { shape } from './levels.js';

/**
 * @typedef {import('./frame-info.js').FrameInfo} FrameInfo
 * @typedef {import('./levels.js').Values} Values
 * @typedef {import('./levels.js').Window} Window
 * @typedef {import('./geometry.js').Matrix} Matrix
 * @typedef {{info: FrameInfo, values?: Values | null, preview?: ImageBitmap | null, window?: Window | null,
 *   invert?: boolean, view: import('./geometry.js').View}} Picture
 * @typedef {{source: Values | ImageBitmap, type: string, columns: number, rows: number}} Cells `type`: as in the stack,
 *   `rgba` of previews
 * @typedef {{cells: Cells, info: FrameInfo, window: Window | null, form: import('./levels.js').Shape | null,
 *   inverse: Matrix, matrix: Matrix, taps: number, invert: boolean}} Scene
 *   `inverse`: canvas → cells; `matrix`: image → canvas
 */

const MOST_TAPS = 4;

/** Positions closer than this share of a cell to its centre or its edge lie there, whatever was rounded. */
export const SNAP = 1 / 1024;

/** @param {Values} values @param {FrameInfo} info @param {number} most @returns {Cells} */
function cellsOf(values, { columns, rows, values: type }, most) {
  const step = Math.ceil(Math.max(columns, rows) / most);
  if (step <= 1) return { source: values, type, columns, rows };
  // Larger than any texture: every n-th pixel of every n-th row.
  const samples = type === 'rgb8' ? 3 : 1;
  const [wide, high] = [Math.ceil(columns / step), Math.ceil(rows / step)];
  const Type = /** @type {new (length: number) => Values} */ (values.constructor);
  const fewer = new Type(wide * high * samples);
  for (let at = 0; at < fewer.length; at += 1) {
    const [pixel, sample] = [Math.floor(at / samples), at % samples];
    const [column, row] = [(pixel % wide) * step, Math.floor(pixel / wide) * step];
    fewer[at] = values[(row * columns + column) * samples + sample];
  }
  return { source: fewer, type, columns: wide, rows: high };
}

/**
 * Values before previews; null where there is nothing to draw. `cells`: those made of the same values before.
 * @param {Picture} picture @param {{most?: number, cells?: Cells | null}} [more] @returns {Scene | null}
 */
export function sceneOf({ info, values, preview, window, invert = false, view }, { most = Infinity, cells } = {}) {
  if (!values && !preview?.width) return null; // a closed one has no size
  const gray = Boolean(values) && info.values !== 'rgb8';
  if (gray && !window) return null;
  const found =
    cells ??
    (values
      ? cellsOf(values, info, most)
      : { source: preview, type: 'rgba', columns: preview.width, rows: preview.height });
  const [x, y] = [found.columns / info.columns, found.rows / info.rows];
  const [a, b, c, d, e, f] = view.inverse;
  /** @type {Matrix} */
  const inverse = [a * x, b * y, c * x, d * y, e * x, f * y];
  // Where a canvas pixel covers several cells, some places in it are looked at, each between four cells.
  const step = Math.max(Math.hypot(inverse[0], inverse[1]), Math.hypot(inverse[2], inverse[3]));
  return {
    cells: found,
    info,
    window: gray ? window : null,
    form: gray ? shape(info, window) : null,
    inverse,
    matrix: view.matrix,
    taps: Math.min(Math.max(Math.ceil(step / 2 - SNAP), 1), MOST_TAPS),
    invert,
  };
}
