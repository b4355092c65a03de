// What the corners of a viewport say: who and what, which image, how it is shown.

import { formatDay, formatNumber, formatPercent } from '../app/format.js';
import { t } from '../app/i18n.js';
import { personName } from '../dicom/person-name.js';
import { html } from '../ui/html.js';
import { along, letters } from './geometry.js';
import { shown } from './levels.js';

/** Centre and width in the reader's numbers; what is narrow keeps its decimals. */
export function windowText(window, info) {
  if (!window) return '';
  const { center, width } = shown(window, info);
  const digits = width < 10 ? 3 : 0;
  return t('viewer.windowText', { center: rounded(center, digits), width: rounded(width, digits) });
}

/** What is next to nothing is 0 here. */
function rounded(value, digits) {
  return formatNumber(Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value, Math.abs(value) < 1 && digits === 0 ? 1 : digits);
}

/** "Imagen 151 de 300", with centre and width. */
export function valueText(pane, count, window, info) {
  return [t('viewer.imageOf', { number: pane.index + 1, count }), windowText(window, info)].filter(Boolean).join(', ');
}

/** The letters at the edges of a pane. */
export function lettersOf(info, { rotate, flipH: h, flipV: v }) {
  return letters(info?.orientation ?? info?.patient_orientation ?? null, rotate, { h, v });
}

/** @param {{study: any, viewing: any, pane: any, sight: any}} properties */
export function Corners({ study, viewing, pane, sight }) {
  const { info, window, view } = sight;
  const series = study.series.find((one) => one.series_instance_uid === pane.series);
  const at = info ? along(info) : null;
  const number = series?.series_number ?? null;
  const lines = {
    'top-left': [personName(study.patient_name) || study.patient_id, study.patient_name && study.patient_id],
    'top-right': [
      study.study_description,
      study.study_date && formatDay(study.study_date),
      [number !== null && t('viewer.seriesNumber', { number: String(number) }), series?.series_description].filter(Boolean).join(' · '),
    ],
    'bottom-left': [
      t('viewer.imageOf', { number: pane.index + 1, count: viewing.countOf(pane) }),
      at !== null && t('viewer.position', { at: rounded(at, 1) }),
      info?.slice_thickness && t('viewer.thickness', { mm: formatNumber(info.slice_thickness, 2) }),
    ],
    'bottom-right': [info && windowText(window, info), view && formatPercent(view.scale)],
  };
  return html`<div class="corners" aria-hidden="true">
    ${Object.entries(lines).map(
      ([corner, all]) => html`<p class=${`corner ${corner}`}>${all.filter(Boolean).map((line) => html`<bdi>${line}</bdi>`)}</p>`,
    )}
    ${Object.entries(lettersOf(info, pane)).map(([edge, letter]) => letter && html`<b class=${`letter ${edge}`}>${letter}</b>`)}
    <p class="not-diagnostic">${t('viewer.notDiagnostic')}</p>
  </div>`;
}
