// What was measured, drawn over the image: lines, points that can be taken hold of, numbers beside them.

import { html } from '../ui/html.js';
import { imageKey, pointsOf } from './measurements.js';
import { linesOf } from './measured.js';

const SIDES = 48; // of the line that stands for an ellipse
const LINE = 16; // CSS pixels of a line of text
const SLIDER = 24; // CSS pixels at the right edge
const NEAR = 24; // CSS pixels from a point, where its own text stands

/** The outline of a measurement in pixels of the image. @returns {[number, number][]} */
export function outline(kind, points) {
  if (points.length < 2 || kind === 'length' || kind === 'angle') return points;
  const [[x0, y0], [x1, y1]] = points;
  if (kind === 'rectangle') return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]];
  const [x, y, wide, high] = [(x0 + x1) / 2, (y0 + y1) / 2, Math.abs(x1 - x0) / 2, Math.abs(y1 - y0) / 2];
  return Array.from({ length: SIDES + 1 }, (_, side) => {
    const turn = (side * 2 * Math.PI) / SIDES;
    return [x + wide * Math.cos(turn), y + high * Math.sin(turn)];
  });
}

/** What is to be drawn: shapes with lines, points and texts in CSS pixels from the upper left corner of the viewport. */
export function shapesOf({ viewing, at, sight, box }) {
  const { view, info, values } = sight;
  const onScreen = (place) => {
    const [x, y] = view.toScreen(...place);
    return [x + box.width / 2, y + box.height / 2];
  };
  const image = imageKey(info);
  const { selected, draft, cursor } = viewing;
  const active = at === viewing.active;
  const all = viewing.measurements.of(image).map((one) => ({ ...one, chosen: one.id === selected?.id, point: one.id === selected?.id ? selected.point : -1 }));
  if (active && draft?.image === image) {
    const points = cursor === null ? draft.points : [...draft.points, cursor];
    all.push({ id: 0, image, series: '', kind: /** @type {any} */ (draft.kind), points, chosen: true, point: -1 });
  }
  return all.map((one) => {
    const points = one.points.map(onScreen);
    const line = outline(one.kind, one.points).map(onScreen);
    const lines = one.points.length === pointsOf(one.kind) ? linesOf(one, info, values) : [];
    return { id: one.id, chosen: one.chosen, point: one.point, points, line, lines, text: labelPlace(line, lines, box) };
  });
}

// Of a box behind lines of text: about half its height for each letter.
const widthOf = (lines) => Math.max(0, ...lines.map((line) => line.length)) * 7 + 16;

// Beside the rightmost point, within the viewport and beside its slider.
function labelPlace(line, lines, box) {
  const [x, y] = line.reduce((most, place) => (place[0] > most[0] ? place : most));
  return [Math.min(x + 8, box.width - widthOf(lines) - SLIDER), Math.min(Math.max(y, LINE), box.height - lines.length * LINE)];
}

const path = (line) => line.map(([x, y], index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');

/** @param {{viewing: import('./viewing.js').Viewing, at: number, sight: any, box: {width: number, height: number}}} properties */
export function Overlay({ viewing, at, sight, box }) {
  const shapes = shapesOf({ viewing, at, sight, box });
  const active = at === viewing.active;
  const cursor = active && viewing.cursor !== null ? sight.view.toScreen(...viewing.cursor) : null;
  const peek = cursor && linesOf({ kind: 'probe', points: [viewing.cursor] }, sight.info, sight.values);
  const [x, y] = cursor ? [cursor[0] + box.width / 2, cursor[1] + box.height / 2] : [0, 0];
  return html`<svg class="viewport-overlay" aria-hidden="true" viewBox=${`0 0 ${box.width} ${box.height}`}>
    ${shapes.map(
      (shape) => html`<g key=${shape.id} class=${shape.chosen ? 'measured chosen' : 'measured'}>
        <path class="halo" d=${path(shape.line)} /><path class="line" d=${path(shape.line)} />
        ${shape.points.map(([left, top], point) => html`<circle class=${point === shape.point ? 'held' : ''} cx=${left} cy=${top} r="4" />`)}
        ${shape.lines.length > 0 && html`<rect x=${shape.text[0] - 4} y=${shape.text[1] - LINE + 2} width=${widthOf(shape.lines)} height=${shape.lines.length * LINE + 3} rx="3" />`}
        ${shape.lines.map((line, index) => html`<text x=${shape.text[0]} y=${shape.text[1] + index * LINE}>${line}</text>`)}
      </g>`,
    )}
    ${cursor &&
    html`<g class="cursor"><path class="halo" d=${cross(x, y)} /><path class="line" d=${cross(x, y)} />
      ${viewing.draft === null && !shapes.some((shape) => shape.points.some((place) => Math.hypot(place[0] - x, place[1] - y) < NEAR)) && peek.map((line) => html`<text x=${Math.min(x + 12, box.width - 90)} y=${Math.max(y - 10, LINE)}>${line}</text>`)}</g>`}
  </svg>`;
}

function cross(x, y) {
  return `M${x - 9} ${y}h6M${x + 3} ${y}h6M${x} ${y - 9}v6M${x} ${y + 3}v6`;
}
