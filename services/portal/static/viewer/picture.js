// The image in view as a PNG, with what was measured on it. Who it is of is not written into it.

import { t } from '../app/i18n.js';
import { saveBlob } from '../app/saving.js';
import { formatNumber } from '../app/format.js';
import { lettersOf, windowText } from './corners.js';
import { shapesOf } from './overlay.js';

const FONT = 13;

function write(context, text, x, y, align = /** @type {CanvasTextAlign} */ ('left')) {
  context.textAlign = align;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}

function trace(context, line, colour, width) {
  context.beginPath();
  for (const [x, y] of line) context.lineTo(x, y);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

/** Save the active viewport. @param {import('./viewing.js').Viewing} viewing */
export function savePicture(viewing, study) {
  const at = viewing.active;
  const sight = viewing.sights[at];
  if (!sight?.snapshot) return;
  const source = sight.snapshot();
  const ratio = window.devicePixelRatio || 1;
  const box = { width: source.width / ratio, height: source.height / ratio };
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [source.width, source.height];
  const context = canvas.getContext('2d');
  context.drawImage(source, 0, 0);
  context.scale(ratio, ratio);
  Object.assign(context, { font: `${FONT}px sans-serif`, lineJoin: 'round' });
  const shapes = viewing.overlay ? shapesOf({ viewing, at, sight, box }) : [];
  for (const { line } of shapes) {
    trace(context, line, '#000', 4);
    trace(context, line, '#ffd84d', 2);
  }
  Object.assign(context, { fillStyle: '#fff', strokeStyle: '#000', lineWidth: 3 });
  for (const { lines, text } of shapes) for (const [index, line] of lines.entries()) write(context, line, text[0], text[1] + index * (FONT + 3));
  const { pane } = viewing;
  const { left, right, top, bottom } = lettersOf(sight.info, pane);
  const [x, y] = [box.width / 2, box.height / 2];
  write(context, left, 8, y);
  write(context, right, box.width - 8, y, 'right');
  write(context, top, x, 20, 'center');
  write(context, bottom, x, box.height - 30, 'center');
  write(context, t('viewer.imageOf', { number: pane.index + 1, count: viewing.countOf(pane) }), 8, box.height - 10);
  write(context, windowText(sight.window, sight.info), box.width - 8, box.height - 10, 'right');
  write(context, t('viewer.notDiagnostic'), x, box.height - 10, 'center');
  const name = `${study.study_id || t('viewer.image')}-${formatNumber(pane.index + 1)}.png`;
  canvas.toBlob((blob) => saveBlob(blob, name), 'image/png');
}
