// The mean of each frame of a multi-frame image.

import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { html } from '../ui/html.js';

/** The card of per-frame means; nothing for fewer than two frames. */
export function FrameMeans({ statistics: { frame_means: means, frames } }) {
  if (!Array.isArray(means) || means.length < 2) return null;
  const known = means.filter((mean) => mean !== null);
  const low = known.reduce((least, mean) => Math.min(least, mean), Infinity);
  const high = known.reduce((most, mean) => Math.max(most, mean), -Infinity);
  return html`<section class="card" id="frame-means" aria-labelledby="frames-heading">
    <h2 id="frames-heading">${t('frames.heading')}</h2>
    ${frames > means.length && html`<p class="quiet">${t('frames.first', { shown: means.length, frames })}</p>`}
    <${Chart}
      heights=${means.map((mean) => (high > low && mean !== null ? (mean - low) / (high - low) : 0.5))}
      stepped=${false}
      ends=${[t('frames.frame', { number: 1 }), t('frames.frame', { number: means.length })]}
      label=${t('frames.label', { frames: means.length, low: formatNumber(low), high: formatNumber(high) })}
      describe=${(index) => t('frames.readout', { number: index + 1, mean: formatNumber(means[index]) })}
    />
    <${DataTable}
      summary=${t('frames.table')}
      columns=${[t('frames.number'), t('frames.mean')]}
      rows=${() => means.map((mean, index) => [formatNumber(index + 1), formatNumber(mean)])}
    />
  </section>`;
}
