// The numbers of a result, in the order a reader asks for them.

import { el, isolated } from './dom.js';
import { formatExactBytes, formatNumber } from './format.js';

const SCALARS = ['count', 'min', 'max', 'std', 'median', 'p01', 'p99', 'entropy'];
const WIDE = new Set([
  'measures.device',
  'measures.dataSize',
  'measures.uploadSize',
  'measures.modalityMean',
]);

/** The card of measures. */
export function measuresSection(result) {
  const statistics = result.statistics ?? {};
  return el(
    'section',
    { class: 'card', 'aria-labelledby': 'measures-heading' },
    el('h2', { id: 'measures-heading', i18n: 'measures.heading' }),
    statistics.kind === 'no-pixel-data' && el('p', { class: 'notice', i18n: 'measures.noPixels' }),
    el(
      'div',
      { class: 'averages' },
      average('before', result.average_before_normalization),
      average('after', result.average_after_normalization),
    ),
    definitions([...facts(result), ...scalars(statistics), ...inContext(statistics)]),
  );
}

function average(which, value) {
  return el(
    'div',
    { class: 'average', data: { average: which } },
    el('span', { class: 'average-name', i18n: `measures.${which}` }),
    el(
      'span',
      { class: 'average-value', title: value ?? null },
      formatNumber(value, which === 'after' ? 6 : 4),
    ),
    el('span', { class: 'quiet', i18n: `measures.${which}Hint` }),
  );
}

function facts(result) {
  const size = result.rows && result.columns ? `${result.columns} × ${result.rows}` : '—';
  return [
    ['measures.device', isolated(result.device_name || '—')],
    ['measures.modality', result.modality ?? '—'],
    ['measures.dimensions', size],
    ['measures.frames', formatNumber(result.frames)],
    ['measures.dataSize', formatExactBytes(result.data_size)],
    ['measures.uploadSize', formatExactBytes(result.size_bytes)],
  ];
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
  return el('span', { title: value ?? null }, formatNumber(value));
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
