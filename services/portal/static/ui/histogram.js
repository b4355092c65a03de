// How often each range of values occurs: a chart to walk through, and its numbers as a table.

import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { useMemo, useState } from '../vendor/hooks.mjs';
import { Chart } from './chart.js';
import { DataTable } from './data-table.js';
import { html } from './html.js';

function range(index, bins, min, max) {
  const step = (max - min) / bins;
  return [min + index * step, min + (index + 1) * step];
}

/** `counts` are of equal bins from `min` to `max`. @param {{heading: string, id: string, histogram: {counts: number[], min: number, max: number}}} properties */
export function Histogram({ heading, id, histogram: { counts, min, max } }) {
  const [logarithmic, setLogarithmic] = useState(false);
  const heights = useMemo(() => {
    const scale = (count) => (logarithmic ? Math.log1p(count) : count);
    const highest = scale(Math.max(...counts)) || 1;
    return counts.map((count) => scale(count) / highest);
  }, [counts, logarithmic]);
  const between = (index) => {
    const [low, high] = range(index, counts.length, min, max);
    return { low: formatNumber(low), high: formatNumber(high), count: counts[index] };
  };
  const peak = counts.indexOf(Math.max(...counts));
  const rows = () =>
    counts.map((count, index) => [...range(index, counts.length, min, max), count].map((value) => formatNumber(value)));
  return html`<section class="card" id=${id} aria-labelledby=${`${id}-heading`}>
    <div class="card-head">
      <h2 id=${`${id}-heading`}>${heading}</h2>
      <label class="check">
        <input type="checkbox" checked=${logarithmic} onChange=${(event) => setLogarithmic(event.currentTarget.checked)} />
        <span>${t('histogram.logarithmic')}</span>
      </label>
    </div>
    <${Chart}
      heights=${heights}
      stepped
      ends=${[formatNumber(min), formatNumber(max)]}
      label=${t('histogram.label', { min: formatNumber(min), max: formatNumber(max), ...between(peak) })}
      describe=${(index) => t('histogram.readout', between(index))}
    />
    <${DataTable}
      summary=${t('histogram.table')}
      columns=${[t('histogram.from'), t('histogram.to'), t('histogram.count')]}
      rows=${rows}
    />
  </section>`;
}
