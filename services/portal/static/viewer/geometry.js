// Where an image lies: on the screen, in the patient, and how large its pixels are.
//
// Image coordinates: (0, 0) is the upper left corner; pixel (column, row) covers [column, column + 1) × [row, row + 1)
// and has its centre at + 0.5. Screen coordinates are pixels of the canvas.

/**
 * @typedef {import('./frame-info.js').FrameInfo} FrameInfo
 * @typedef {[number, number, number, number, number, number]} Matrix as of CanvasRenderingContext2D.setTransform
 * @typedef {{columns: number, rows: number, aspect: number}} Size `aspect`: height of a pixel over its width
 * @typedef {{toImage: (x: number, y: number) => [number, number], toScreen: (x: number, y: number) => [number, number],
 *   matrix: Matrix, inverse: Matrix, scale: number}} View
 */

const SIDES = ['L', 'P', 'H', 'R', 'A', 'F']; // towards + and − of the patient's axes (PS3.3 C.7.6.2.1.1)
const quartersOf = (degrees) => ((Math.round(degrees / 90) % 4) + 4) % 4;
const NEARLY = 0.01; // square: better shown pixel by pixel than a hundredth wider
const OBLIQUE = 0.25; // shares of a direction below this have no letter

/** Size of a frame and shape of its pixels. @param {FrameInfo} info @returns {Size} */
export function sizeOf({ columns, rows, spacing, pixel_aspect: ratio }) {
  const [high, wide] = spacing ?? ratio ?? [1, 1];
  const aspect = high > 0 && wide > 0 ? high / wide : 1;
  return { columns, rows, aspect: Math.abs(aspect - 1) < NEARLY ? 1 : aspect };
}

/** @param {Matrix} matrix @returns {Matrix} */
export function inverted([a, b, c, d, e, f]) {
  const area = a * d - b * c;
  return [d / area, -b / area, -c / area, a / area, (c * f - d * e) / area, (b * e - a * f) / area];
}

/** @param {Matrix} matrix @returns {[number, number]} */
export function mapped([a, b, c, d, e, f], x, y) {
  return [a * x + c * y + e, b * x + d * y + f];
}

/**
 * Image onto canvas: flipped, then turned clockwise by `rotate`, its middle `pan` away from the canvas' middle. `zoom`
 * times the size that fits, or where not `fit`, canvas pixels per image pixel; whole factors put pixels onto pixels.
 * @param {{flipH?: boolean, flipV?: boolean, rotate?: number, zoom?: number, pan?: number[], fit?: boolean}} state
 * @param {Size} size @param {{width: number, height: number}} canvas @returns {View}
 */
export function viewOf({ flipH = false, flipV = false, rotate = 0, zoom = 1, pan = [0, 0], fit = true }, size, canvas) {
  const { columns, rows, aspect } = size;
  const quarters = quartersOf(rotate);
  const [cos, sin] = [[1, 0], [0, 1], [-1, 0], [0, -1]][quarters];
  const upright = aspect >= 1 ? [1, aspect] : [1 / aspect, 1]; // pixels are made larger, never smaller
  const [wide, high] = [columns * upright[0], rows * upright[1]];
  const [across, down] = sin ? [high, wide] : [wide, high];
  const scale = fit ? Math.min(canvas.width / across, canvas.height / down) * zoom : zoom;
  const [x, y] = [scale * upright[0] * (flipH ? -1 : 1), scale * upright[1] * (flipV ? -1 : 1)];
  const [a, b, c, d] = [cos * x, sin * x, -sin * y, cos * y];
  const middle = [canvas.width / 2 + pan[0], canvas.height / 2 + pan[1]];
  let e = middle[0] - (a * columns + c * rows) / 2;
  let f = middle[1] - (b * columns + d * rows) / 2;
  if (Number.isInteger(x) && Number.isInteger(y)) [e, f] = [Math.round(e), Math.round(f)];
  /** @type {Matrix} */
  const matrix = [a, b, c, d, e, f];
  const inverse = inverted(matrix);
  return {
    matrix,
    inverse,
    scale,
    toImage: (left, top) => mapped(inverse, left, top),
    toScreen: (left, top) => mapped(matrix, left, top),
  };
}

// The letters of a direction in the patient, the strongest first; a direction may be given as such letters.
function lettersOf(direction, back) {
  if (typeof direction === 'string') {
    const opposite = (side) => (SIDES.includes(side) ? SIDES[(SIDES.indexOf(side) + 3) % 6] : '');
    return back ? direction.replace(/./g, opposite) : direction;
  }
  return direction
    .map((share, axis) => ({ letter: SIDES[share > 0 !== back ? axis : axis + 3], share: Math.abs(share) }))
    .filter(({ share }) => share >= OBLIQUE)
    .sort((one, other) => other.share - one.share)
    .map(({ letter }) => letter)
    .join('');
}

/**
 * What lies at each edge of the viewport; nothing where that is unknown.
 * @param {number[] | string[] | null} orientation Image Orientation, or Patient Orientation where planes have none
 * @param {number} rotate clockwise, after the flips `h` and `v`
 */
export function letters(orientation, rotate = 0, { h = false, v = false } = {}) {
  if (!orientation) return { left: '', right: '', top: '', bottom: '' };
  const half = orientation.length / 2;
  const [along, down] = half === 1 ? orientation : [orientation.slice(0, half), orientation.slice(half)];
  // Right, bottom, left, top; a quarter moves each one on.
  const edges = [lettersOf(along, h), lettersOf(down, v), lettersOf(along, !h), lettersOf(down, !v)];
  const quarters = quartersOf(rotate);
  const [right, bottom, left, top] = edges.map((_, edge) => edges[(edge - quarters + 4) % 4]);
  return { left, right, top, bottom };
}

/** Where a frame lies along the normal of its plane, in mm; null where that is unknown. @param {FrameInfo} info */
export function along({ position, orientation }) {
  if (position?.length !== 3 || orientation?.length !== 6) return null;
  const [a, b, c, d, e, f] = orientation;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  return normal.reduce((sum, share, axis) => sum + share * position[axis], 0);
}

/** The ultrasound region that a point lies in, or null; of several the last. @param {FrameInfo} info */
export function regionAt({ regions }, x, y) {
  const holds = ({ x0, y0, x1, y1 }) => x >= x0 && x < x1 + 1 && y >= y0 && y < y1 + 1;
  return (regions ?? []).findLast(holds) ?? null;
}

/**
 * Size of a pixel at a point, and where that is known from. A region counts where both of its axes are lengths.
 * @param {FrameInfo} info
 * @returns {{row: number, column: number, unit: 'mm' | 'px', kind: 'pixel' | 'region' | 'imager' | 'none'}}
 */
export function spacingOf(info, x, y) {
  const { spacing, spacing_kind: kind } = info;
  const stated = (/** @type {'pixel' | 'imager'} */ from) => ({
    row: spacing[0], column: spacing[1], unit: /** @type {const} */ ('mm'), kind: from,
  });
  if (spacing && kind === 'pixel') return stated(kind);
  const region = regionAt(info, x, y);
  if (region?.unit_x === 'cm' && region.unit_y === 'cm') {
    const [row, column] = [Math.abs(region.dy) * 10, Math.abs(region.dx) * 10];
    if (row > 0 && column > 0) return { row, column, unit: 'mm', kind: 'region' };
  }
  return spacing && kind === 'imager' ? stated(kind) : { row: 1, column: 1, unit: 'px', kind: 'none' };
}
