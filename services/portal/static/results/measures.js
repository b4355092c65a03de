// The numbers of a result, in the order a reader asks for them.

import { exactBytesParts, formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { deviceName } from './row.js';

const SCALARS = ['count', 'min', 'max', 'std', 'median', 'p01', 'p99', 'entropy'];
const LONG = 12; // characters of a mean that fit in large print

/** What is told of a result: [name, text, exact number or undefined] each; what it does not have is left out. */
export function measuresOf(result) {
  const statistics = result.statistics ?? {};
  const pixels = statistics.kind !== 'no-pixel-data';
  const { modality, padding, nonfinite, method_version: version } = statistics;
  const size = result.rows && result.columns ? `${result.columns} × ${result.rows}` : '—';
  const exact = (value) => [formatNumber(value), value];
  const rows = [
    ['device', deviceName(result.device_name)],
    ['modality', result.modality ?? '—'],
    pixels && ['dimensions', size],
    pixels && ['frames', ...exact(result.frames)],
    pixels && ['dataSize', exactBytesParts(result.data_size), result.data_size],
    ['uploadSize', exactBytesParts(result.size_bytes), result.size_bytes],
    ...SCALARS.filter((name) => name in statistics).map((name) => [name, ...exact(statistics[name])]),
    // What only some images have: units, padding, values that are no numbers.
    modality && ['modalityMean', `${formatNumber(modality.mean)} ${modality.unit ?? ''}`.trim(), modality.mean],
    padding && ['paddingCount', ...exact(padding.count)],
    padding && ['paddingMean', ...exact(padding.mean_without)],
    nonfinite > 0 && ['nonfinite', ...exact(nonfinite)],
    version !== undefined && ['methodVersion', String(version)],
  ];
  return rows.filter(Boolean);
}

/** The card of measures. */
export function Measures({ result }) {
  const pixels = result.statistics?.kind !== 'no-pixel-data';
  const measured = pixels && !['failed', 'superseded'].includes(result.state); // a notice says what became of them
  return html`<section class="card measures-card" aria-labelledby="measures-heading">
    <h2 id="measures-heading">${t('measures.heading')}</h2>
    ${!pixels && html`<p class="notice">${t('measures.noPixels')}</p>`}
    ${measured &&
    html`<div class="averages">
      <${Average} which="before" value=${result.average_before_normalization} />
      <${Average} which="after" value=${result.average_after_normalization} />
    </div>`}
    <dl class="measures">
      ${measuresOf(result).map(
        ([name, text, value]) =>
          html`<div key=${name}>
            <dt>${t(`measures.${name}`)}</dt>
            <dd data-measure=${name} title=${typeof value === 'number' ? value : undefined}><${Value} text=${text} /></dd>
          </div>`,
      )}
    </dl>
  </section>`;
}

/** A line may break between a size and its exact count, never inside either. */
export function Value({ text }) {
  return [text].flat().map((part, index) => html`${index > 0 && ' '}<bdi class=${/\d/.test(part) ? 'number' : ''}>${part}</bdi>`);
}

function Average({ which, value }) {
  const text = formatNumber(value, which === 'after' ? 6 : 4);
  return html`<div class="average" data-average=${which}>
    <span class="average-name">${t(`measures.${which}`)}</span>
    <span class=${`average-value number${text.length > LONG ? ' long' : ''}`} title=${value ?? undefined}>${text}</span>
    <span class="quiet">${t(`measures.${which}Hint`)}</span>
  </div>`;
}
