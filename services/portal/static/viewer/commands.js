// What keys and buttons do.

import { movable } from './levels.js';
import { imageKey, pointsOf } from './measurements.js';
import { flipped, panned, reset, stepped, turned, zoomed } from './pane.js';
import { presetFor } from './presets.js';

/** @typedef {import('./viewing.js').Viewing} Viewing */

/** Set a point where the cursor is; the last one completes the measurement. @param {Viewing} viewing */
export function setPoint(viewing, place = viewing.cursor) {
  const info = viewing.infoOf(viewing.pane);
  const wanted = pointsOf(viewing.tool);
  if (info?.kind !== 'image' || place === null || wanted === 0) return;
  const image = imageKey(info);
  const before = viewing.draft?.image === image && viewing.draft.kind === viewing.tool ? viewing.draft.points : [];
  const points = [...before, place];
  if (points.length < wanted) viewing.draft = { image, kind: viewing.tool, points };
  else {
    viewing.draft = null;
    const id = viewing.measurements.add(/** @type {any} */ (viewing.tool), image, viewing.pane.series, points);
    viewing.selected = { id, point: -1 };
  }
  viewing.tell();
}

/** Keep a place within the image. */
export function within([x, y], info) {
  return /** @type {[number, number]} */ ([Math.min(Math.max(x, 0), info.columns), Math.min(Math.max(y, 0), info.rows)]);
}

function towards(view, x, y) {
  if (!view) return [x, y];
  const [from, to] = [view.toImage(0, 0), view.toImage(x, y)];
  const far = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1;
  const long = Math.hypot(x, y);
  return [((to[0] - from[0]) / far) * long, ((to[1] - from[1]) / far) * long];
}

function moveCursor(viewing, [x, y]) {
  const info = viewing.infoOf(viewing.pane);
  if (!info?.columns) return;
  const { selected, measurements } = viewing;
  const chosen = selected !== null && selected.point >= 0 ? measurements.find(selected.id) : undefined;
  const from = chosen?.points[selected.point] ?? viewing.cursor ?? [info.columns / 2, info.rows / 2];
  // Arrows go the way that the reader sees.
  const [dx, dy] = towards(viewing.sights[viewing.active]?.view, x, y);
  const place = within([from[0] + dx, from[1] + dy], info);
  if (chosen) measurements.move(selected.id, selected.point, place);
  else viewing.cursor = place;
  viewing.tell('frame');
}

/** On to the next point of what was measured here, then to none; false where there is none further. */
function nextPoint(viewing, way) {
  const info = viewing.infoOf(viewing.pane);
  if (info === null) return false;
  const points = viewing.measurements
    .of(imageKey(info))
    .flatMap(({ id, points: own }) => own.map((_, point) => ({ id, point })));
  const at = points.findIndex(({ id, point }) => id === viewing.selected?.id && point === viewing.selected?.point);
  const next = points[at < 0 && way < 0 ? points.length - 1 : at + way];
  viewing.selected = next ?? null;
  viewing.tell('frame');
  return next !== undefined;
}

function remove(viewing) {
  if (viewing.draft !== null) {
    const points = viewing.draft.points.slice(0, -1);
    viewing.draft = points.length === 0 ? null : { ...viewing.draft, points };
  } else if (viewing.selected !== null) {
    viewing.measurements.remove(viewing.selected.id);
    viewing.selected = null;
  }
}

function walkSeries(viewing, step) {
  const at = viewing.series.indexOf(viewing.pane.series) + step;
  if (at >= 0 && at < viewing.series.length) viewing.choose(viewing.series[at]);
}

/** Each returns false where the key is left to the browser. @type {Record<string, (viewing: Viewing, argument: any) => boolean | void>} */
const COMMANDS = {
  step: (viewing, by) => viewing.show(viewing.pane.index + by),
  first: (viewing) => viewing.show(0),
  last: (viewing) => viewing.show(viewing.countOf(viewing.pane) - 1),
  series: walkSeries,
  zoom: (viewing, factor) => viewing.change((pane) => zoomed(pane, factor)),
  fit: (viewing) => viewing.change((pane) => ({ ...pane, fit: true, zoom: 1, pan: [0, 0] })),
  actual: (viewing) => viewing.change((pane) => ({ ...pane, fit: false, zoom: 1, pan: [0, 0] })),
  pan: (viewing, [x, y]) => viewing.change((pane) => panned(pane, x, y)),
  window: (viewing, { center, width }) => {
    const { window = null, info } = viewing.sights[viewing.active] ?? {};
    if (window !== null) viewing.change((pane) => ({ ...pane, window: stepped(movable(window, info), center, width) }));
  },
  preset: (viewing, key) => {
    const info = viewing.infoOf(viewing.pane);
    // The header's is each image's own.
    const window = info === null || key === '0' ? null : presetFor(key, info);
    if (window !== null || key === '0') viewing.change((pane) => ({ ...pane, window }));
  },
  setWindow: (viewing, window) => viewing.change((pane) => ({ ...pane, window })),
  tool: (viewing, tool) => viewing.choseTool(viewing.tool === tool && tool !== 'scroll' ? 'scroll' : tool),
  invert: (viewing) => viewing.change((pane) => ({ ...pane, invert: !pane.invert }), 'change'),
  rotate: (viewing, degrees) => viewing.change((pane) => turned(pane, degrees)),
  flip: (viewing, vertically) => viewing.change((pane) => flipped(pane, vertically)),
  reset: (viewing) => viewing.change(reset, 'change'),
  cursor: moveCursor,
  point: (viewing) => setPoint(viewing),
  next: nextPoint,
  remove,
  undo: (viewing) => {
    viewing.draft = null;
    const { measurements, selected } = viewing;
    if (measurements.undo() && selected !== null && !measurements.find(selected.id)) viewing.selected = null;
  },
  cancel: (viewing) => {
    if (viewing.draft !== null) viewing.draft = null;
    else if (viewing.tool === 'scroll') return false;
    else viewing.choseTool('scroll');
    return true;
  },
  overlay: (viewing) => {
    viewing.overlay = !viewing.overlay;
  },
};

/** Whether it was one of these, and acted. @param {Viewing} viewing @param {string} command */
export function act(viewing, command, argument = undefined) {
  const found = COMMANDS[command];
  if (!found || found(viewing, argument) === false) return false;
  viewing.tell(TOLD.has(command) ? 'change' : 'frame');
  return true;
}

const TOLD = new Set(['remove', 'undo', 'overlay', 'preset', 'setWindow']);
