// The numbers of a result, in the order a reader asks for them.

import { el, isolated } from '../ui/dom.js';
import { exactBytesParts, formatNumber } from '../app/format.js';
import { deviceName } from './row.js';

const SCALARS = ['count', 'min', 'max', 'std', 'median', 'p01', 'p99', 'entropy'];
const LONG = 12; // characters of a mean that fit in large print
const WIDE = new Set([
  'measures.device',
  'measures.dataSize',
  'measures.uploadSize',
  'measures.modalityMean',
]);

/** The card of measures. */
export function measuresSection(result) {
  const statistics = result.statistics ?? {};
  const pixels = statistics.kind !== 'no-pixel-data';
  return el(
    'section',
    { class: 'card', 'aria-labelledby': 'measures-heading' },
    el('h2', { id: 'measures-heading', i18n: 'measures.heading' }),
    !pixels && el('p', { class: 'notice', i18n: 'measures.noPixels' }),
    pixels &&
      !['failed', 'superseded'].includes(result.state) && // the notice above says what became of them
      el(
        'div',
        { class: 'averages' },
        average('before', result.average_before_normalization),
        average('after', result.average_after_normalization),
      ),
    definitions([...facts(result, pixels), ...scalars(statistics), ...inContext(statistics)]),
  );
}

function average(which, value) {
  const text = formatNumber(value, which === 'after' ? 6 : 4);
  return el(
    'div',
    { class: 'average', data: { average: which } },
    el('span', { class: 'average-name', i18n: `measures.${which}` }),
    el(
      'span',
      { class: `average-value number${text.length > LONG ? ' long' : ''}`, title: value ?? null },
      text,
    ),
    el('span', { class: 'quiet', i18n: `measures.${which}Hint` }),
  );
}

function facts(result, pixels) {
  const size = result.rows && result.columns ? `${result.columns} × ${result.rows}` : '—';
  return [
    ['measures.device', deviceName(result.device_name)],
    ['measures.modality', result.modality ?? '—'],
    pixels && ['measures.dimensions', number(size)],
    pixels && ['measures.frames', number(formatNumber(result.frames))],
    pixels && ['measures.dataSize', bytesOf(result.data_size)],
    ['measures.uploadSize', bytesOf(result.size_bytes)],
  ].filter(Boolean);
}

// A line may break between a size and its exact count, never inside either.
function bytesOf(bytes) {
  return exactBytesParts(bytes).flatMap((part, index) => (index > 0 ? [' ', number(part)] : [number(part)]));
}

function number(text, attributes = {}) {
  return el('span', { class: 'number', ...attributes }, text);
}

function scalars(statistics) {
  return SCALARS.filter((name) => name in statistics).map((name) => [
    `measures.${name}`,
    exact(statistics[name]),
  ]);
}

// What only some images have: units, padding, values that are no numbers.
function inContext({ modality, padding, nonfinite, method_version: version }) {
  const unit = modality?.unit ? [' ', isolated(modality.unit)] : [];
  return [
    modality && ['measures.modalityMean', [exact(modality.mean), ...unit]],
    padding && ['measures.paddingCount', exact(padding.count)],
    padding && ['measures.paddingMean', exact(padding.mean_without)],
    nonfinite > 0 && ['measures.nonfinite', exact(nonfinite)],
    version !== undefined && ['measures.methodVersion', String(version)],
  ].filter(Boolean);
}

function exact(value) {
  return number(formatNumber(value), { title: value ?? null });
}

function definitions(entries) {
  return el(
    'dl',
    { class: 'measures' },
    entries.map(([key, value]) =>
      el(
        'div',
        { class: WIDE.has(key) ? 'wide' : null },
        el('dt', { i18n: key }),
        el('dd', { data: { measure: key.replace('measures.', '') } }, value),
      ),
    ),
  );
}
