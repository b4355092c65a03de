// What lies below points that a reader sets: lengths, angles, and the values of a pixel or of a region.

import { regionAt, spacingOf } from './geometry.js';
import { isPadding, modality } from './levels.js';

/**
 * @typedef {import('./frame-info.js').FrameInfo} FrameInfo
 * @typedef {import('./levels.js').Values} Values
 * @typedef {[number, number]} Point in image coordinates
 */

const PIXELS = /** @type {const} */ ({ row: 1, column: 1, unit: 'px', kind: 'none' });

/** Size of a pixel at all the points, and whence it is known; pixels where they lie in different regions. @param {Point[]} points @param {FrameInfo} info */
export function spacingAt(points, info) {
  const [first, ...others] = points;
  const found = spacingOf(info, ...first);
  const one = regionAt(info, ...first);
  return found.kind === 'region' && others.some((point) => regionAt(info, ...point) !== one) ? PIXELS : found;
}

/** Between two points. @param {Point[]} points @param {FrameInfo} info */
export function length(points, info) {
  const { row, column, unit, kind } = spacingAt(points, info);
  const [[x0, y0], [x1, y1]] = points;
  return { value: Math.hypot((x1 - x0) * column, (y1 - y0) * row), unit, kind };
}

/** In degrees, 0 … 180, at the second of three points. @param {Point[]} points @param {FrameInfo} info */
export function angle(points, info) {
  const found = spacingAt(points, info);
  const [high, wide] = info.pixel_aspect ?? [1, 1];
  const { row, column } = found.kind === 'none' ? { row: high, column: wide } : found;
  const [one, corner, other] = points.map(([x, y]) => [x * column, y * row]);
  const [ax, ay, bx, by] = [one[0] - corner[0], one[1] - corner[1], other[0] - corner[0], other[1] - corner[1]];
  const value = (Math.atan2(Math.abs(ax * by - ay * bx), ax * bx + ay * by) * 180) / Math.PI;
  return { value, kind: found.kind };
}

// Whether the centre of a pixel lies in the ellipse, its line included; multiplied out, so that nothing is rounded.
function inEllipse([x0, y0, x1, y1]) {
  const [wide, high] = [x1 - x0, y1 - y0];
  return (column, row) => {
    const [x, y] = [(2 * column + 1 - x0 - x1) * high, (2 * row + 1 - y0 - y1) * wide];
    return x * x + y * y <= wide * high * wide * high;
  };
}

/** Modality values of pixels whose centres lie inside. A rectangle holds those on its upper and left edges only, so
 * that neighbours share none. @param {Values} values @param {FrameInfo} info */
function* inside(kind, box, values, info) {
  const holds = kind === 'ellipse' ? inEllipse(box) : () => true;
  const first = (edge) => Math.max(Math.ceil(edge - 0.5), 0);
  const end = (edge, most) => Math.min(kind === 'ellipse' ? Math.floor(edge - 0.5) + 1 : Math.ceil(edge - 0.5), most);
  const lastColumn = end(box[2], info.columns);
  const lastRow = end(box[3], info.rows);
  for (let row = first(box[1]); row < lastRow; row += 1) {
    for (let column = first(box[0]); column < lastColumn; column += 1) {
      const stored = values[row * info.columns + column];
      if (holds(column, row) && !isPadding(info, stored)) yield modality(info, stored);
    }
  }
}

/**
 * Statistics of the modality values of pixels whose centres lie in the shape between two opposite corners, without
 * padding; `sd` is that of the population. `area` is the shape's own. Numbers are null where there are no values.
 * @param {'rectangle' | 'ellipse'} kind @param {Point[]} points @param {Values | null} values @param {FrameInfo} info
 */
export function region(kind, points, values, info) {
  const [[ax, ay], [bx, by]] = points;
  const box = [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
  const spacing = spacingAt(points, info);
  const share = kind === 'ellipse' ? Math.PI / 4 : 1;
  const area = share * (box[2] - box[0]) * spacing.column * (box[3] - box[1]) * spacing.row;
  const shape = { area, area_unit: spacing.unit === 'mm' ? 'mm²' : 'px', kind: spacing.kind, unit: info.unit };
  let [count, mean, spread, min, max] = [0, 0, 0, Infinity, -Infinity];
  if (values && info.values !== 'rgb8') {
    for (const value of inside(kind, box, values, info)) {
      count += 1;
      const off = value - mean;
      mean += off / count; // Welford: no sum of squares that loses the difference
      spread += off * (value - mean);
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (!count) return { ...shape, count, mean: null, sd: null, min: null, max: null };
  return { ...shape, count, mean, sd: Math.sqrt(spread / count), min, max };
}

/** What a point lies on; null outside of the image.
 * @param {Point} point @param {Values} values @param {FrameInfo} info */
export function probe([x, y], values, info) {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (column < 0 || row < 0 || column >= info.columns || row >= info.rows) return null;
  const at = row * info.columns + column;
  if (info.values === 'rgb8') return { column, row, rgb: [...values.subarray(at * 3, at * 3 + 3)] };
  const stored = values[at];
  return { column, row, value: modality(info, stored), unit: info.unit, padding: isPadding(info, stored) };
}
