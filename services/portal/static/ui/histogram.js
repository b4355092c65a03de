// How often each range of values occurs: a chart to walk through, and its numbers as a table.

import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { useMemo, useState } from '../vendor/hooks.mjs';
import { Chart } from './chart.js';
import { DataTable } from './data-table.js';
import { NumberField } from './field.js';
import { html } from './html.js';
import { WindowBand } from './window-band.js';

function range(index, bins, min, max) {
  const step = (max - min) / bins;
  return [min + index * step, min + (index + 1) * step];
}

/**
 * `counts` are of equal bins from `min` to `max`; `window`, in the same values, lies over them.
 * @param {{heading: string, id: string, histogram: {counts: number[], min: number, max: number},
 *   window?: import('./window-band.js').Window | null}} properties
 */
export function Histogram({ heading, id, histogram: { counts, min, max }, window = null }) {
  const [wanted, setLogarithmic] = useState(/** @type {boolean | null} */ (null));
  const logarithmic = wanted ?? window !== null; // else a window over what is rare lies over nothing
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
    >
      ${window && html`<${WindowBand} min=${min} max=${max} ...${window} />`}
    <//>
    ${window && html`<${Ends} ...${window} />`}
    <${DataTable}
      summary=${t('histogram.table')}
      columns=${[t('histogram.from'), t('histogram.to'), t('histogram.count')]}
      rows=${rows}
    />
  </section>`;
}

/** What the ends of the window are, to be typed. @param {import('./window-band.js').Window} properties */
function Ends({ low, high, digits = 2, onChange }) {
  return html`<div class="window-numbers">
    <${NumberField} label=${t('histogram.low')} value=${low} digits=${digits} onChange=${(value) => value < high && onChange(value, high)} />
    <${NumberField} label=${t('histogram.high')} value=${high} digits=${digits} onChange=${(value) => value > low && onChange(low, value)} />
  </div>`;
}
