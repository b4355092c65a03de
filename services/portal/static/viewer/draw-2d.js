// Drawing onto a 2D canvas, where no graphics processor is there: the same places, values and levels, pixel by pixel.

import { levelOf, table } from './levels.js';
import { sceneOf, SNAP } from './scene.js';

/** @typedef {import('./scene.js').Picture} Picture @typedef {import('./scene.js').Scene} Scene */

const OPAQUE = 0xff000000; // as little-endian machines order the bytes of a pixel
const GRAY = 0x10101;
const NONE = /** @type {[number, number]} */ ([1, 0]); // padding of nothing

/**
 * Which cells the pixels along one side of the canvas lie between: of pixels `from` up to and without `end`, the cell
 * that each lies on, and for each place in it two neighbours and the share of the second. Numbers of cells are
 * multiplied by `stride`.
 */
function axis(length, slope, offset, count, taps, stride) {
  const [nearest, one, other] = [length, length * taps, length * taps].map((size) => new Int32Array(size));
  const share = new Float32Array(length * taps);
  const cell = (at) => Math.min(Math.max(at, 0), count - 1) * stride;
  let [from, end, exact] = [length, 0, true];
  for (let pixel = 0; pixel < length; pixel += 1) {
    const middle = slope * (pixel + 0.5) + offset + SNAP;
    if (middle < 0 || middle >= count) continue;
    from = Math.min(from, pixel);
    end = pixel + 1;
    nearest[pixel] = cell(Math.floor(middle));
    for (let tap = 0; tap < taps; tap += 1) {
      const place = slope * (pixel + (tap + 0.5) / taps) + offset - 0.5;
      const below = Math.floor(place + SNAP);
      const at = pixel * taps + tap;
      share[at] = place - below < SNAP ? 0 : place - below;
      [one[at], other[at]] = [cell(below), cell(below + 1)];
      exact &&= share[at] === 0;
    }
  }
  return { nearest, one, other, share, from, end, exact: exact && taps === 1 };
}

/** @typedef {ReturnType<typeof axis>} Axis */

/** A row of the canvas where no cell is absent and each pixel looks at one place.
 * @param {Axis} across @param {Axis} down */
function quickRow(values, across, down, y, line, plus) {
  const { one, other, share, from, end } = across;
  const [above, below, low] = [down.one[y] + plus, down.other[y] + plus, down.share[y]];
  for (let x = from; x < end; x += 1) {
    const [left, right, u] = [one[x], other[x], share[x]];
    const upper = values[above + left] * (1 - u) + values[above + right] * u;
    const lower = values[below + left] * (1 - u) + values[below + right] * u;
    line[x] = upper * (1 - low) + lower * low;
  }
}

/** Means without absent cells; NaN where all are, or the one that the pixel lies on.
 * @param {Axis} across @param {Axis} down */
function carefulRow(values, across, down, y, line, plus, taps, [low, high]) {
  const absent = (value) => value !== value || (value >= low && value <= high);
  for (let x = across.from; x < across.end; x += 1) {
    let [total, weight] = [0, 0];
    for (let tap = 0; tap < taps * taps; tap += 1) {
      const [i, j] = [x * taps + (tap % taps), y * taps + Math.floor(tap / taps)];
      const [u, v] = [across.share[i], down.share[j]];
      for (let corner = 0; corner < 4; corner += 1) {
        const part = (corner & 1 ? u : 1 - u) * (corner & 2 ? v : 1 - v);
        const column = corner & 1 ? across.other[i] : across.one[i];
        const value = values[column + (corner & 2 ? down.other[j] : down.one[j]) + plus];
        if (part === 0 || absent(value)) continue;
        total += value * part;
        weight += part;
      }
    }
    line[x] = absent(values[across.nearest[x] + down.nearest[y] + plus]) ? NaN : total / weight;
  }
}

export class FlatDrawing {
  kind = /** @type {const} */ ('2d');
  #canvas;
  #context;
  /** @type {ImageData | null} */
  #image = null;

  /** @param {CanvasRenderingContext2D} context @param {HTMLCanvasElement} canvas */
  constructor(context, canvas) {
    this.#context = context;
    this.#canvas = canvas;
  }

  /** Nothing is kept that could be lost. */
  forget() {
    this.#image = null;
  }

  /** @param {Picture | null} picture */
  draw(picture) {
    const context = this.#context;
    const { width, height } = this.#canvas;
    const scene = picture && sceneOf(picture);
    if (scene && !(scene.cells.source instanceof ImageBitmap)) {
      context.putImageData(this.#painted(scene, scene.cells.source), 0, 0);
      return;
    }
    context.resetTransform();
    context.fillStyle = '#000';
    context.fillRect(0, 0, width, height);
    if (!scene) return;
    const { columns, rows } = scene.info;
    context.setTransform(...scene.matrix);
    context.imageSmoothingQuality = 'high';
    context.drawImage(/** @type {ImageBitmap} */ (scene.cells.source), 0, 0, columns, rows);
    if (!scene.invert) return;
    context.globalCompositeOperation = 'difference';
    context.fillStyle = '#fff';
    context.fillRect(0, 0, columns, rows);
    context.globalCompositeOperation = 'source-over';
  }

  /** RGBA of the canvas, row by row from the top. */
  pixels() {
    return this.#context.getImageData(0, 0, this.#canvas.width, this.#canvas.height).data;
  }

  dispose() {
    this.forget();
  }

  /** @param {Scene} scene @param {import('./levels.js').Values} values */
  #painted({ cells, info, window, inverse: [a, b, c, d, e, f], taps, invert }, values) {
    const { width, height } = this.#canvas;
    if (this.#image?.width !== width || this.#image.height !== height) this.#image = new ImageData(width, height);
    const out = new Uint32Array(this.#image.data.buffer).fill(OPAQUE);
    const samples = info.values === 'rgb8' ? 3 : 1;
    const [columns, rows] = [[cells.columns, samples], [cells.rows, cells.columns * samples]];
    // Turned by a quarter, the rows of the canvas run along the columns of the image.
    const lies = Math.abs(a) < Math.abs(b);
    const [across, down] = lies
      ? [axis(width, b, f, rows[0], taps, rows[1]), axis(height, c, e, columns[0], taps, columns[1])]
      : [axis(width, a, e, columns[0], taps, columns[1]), axis(height, d, f, rows[0], taps, rows[1])];
    const padding = samples === 1 ? info.padding : null;
    const quick = taps === 1 && !padding && !(values instanceof Float32Array);
    const row = quick ? quickRow : carefulRow;
    const turn = invert ? 255 : 0;
    const lines = Array.from({ length: samples }, () => new Float64Array(width));
    const exact = across.exact && down.exact && samples === 1 && !(values instanceof Float32Array);
    const levels = exact ? table(info, window, { invert }) : null;
    const level = samples === 1 ? levelOf(info, window) : null;
    for (let y = down.from; y < down.end; y += 1) {
      const pixels = out.subarray(y * width, (y + 1) * width);
      if (levels) {
        byTable(values, across, down.nearest[y], pixels, levels);
        continue;
      }
      lines.forEach((line, plus) => row(values, across, down, y, line, plus, taps, padding ?? NONE));
      if (level) inGray(lines[0], across, pixels, info, level, turn);
      else inColour(lines, across, pixels, turn);
    }
    return this.#image;
  }
}

/** @param {Axis} across */
function byTable(values, across, row, pixels, levels) {
  const { nearest, from, end } = across;
  const mask = levels.length - 1;
  for (let x = from; x < end; x += 1) pixels[x] = OPAQUE | (levels[values[row + nearest[x]] & mask] * GRAY);
}

/** @param {Axis} across */
function inGray(line, across, pixels, { slope, intercept }, level, turn) {
  for (let x = across.from; x < across.end; x += 1) {
    const value = line[x];
    pixels[x] = OPAQUE | (((value === value ? level(value * slope + intercept) : 0) ^ turn) * GRAY);
  }
}

/** @param {Float64Array[]} lines red, green and blue @param {Axis} across */
function inColour(lines, across, pixels, turn) {
  const byte = (sample, x) => Math.round(lines[sample][x]) ^ turn;
  for (let x = across.from; x < across.end; x += 1) {
    pixels[x] = OPAQUE | (byte(2, x) << 16) | (byte(1, x) << 8) | byte(0, x);
  }
}
