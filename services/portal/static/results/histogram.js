// How often each range of stored values occurs.

import { chart } from '../ui/chart.js';
import { dataTable } from '../ui/data-table.js';
import { el, fill } from '../ui/dom.js';
import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';

/** The card of the histogram, or null where there is none. `counts` are of equal bins from `min` to `max`. */
export function histogramSection({ histogram }) {
  if (!histogram) return null;
  const { counts, min, max } = histogram;
  const box = el('div');
  const logarithmic = el('input', { type: 'checkbox' });
  const draw = () => fill(box, picture(counts, min, max, logarithmic.checked));
  logarithmic.addEventListener('change', draw);
  draw();
  return el(
    'section',
    { class: 'card', id: 'histogram', 'aria-labelledby': 'histogram-heading' },
    el(
      'div',
      { class: 'card-head' },
      el('h2', { id: 'histogram-heading', i18n: 'histogram.heading' }),
      el('label', { class: 'check' }, logarithmic, el('span', { i18n: 'histogram.logarithmic' })),
    ),
    box,
    dataTable('histogram.table', ['histogram.from', 'histogram.to', 'histogram.count'], () =>
      counts.map((count, index) =>
        [...range(index, counts.length, min, max), count].map((value) => formatNumber(value)),
      ),
    ),
  );
}

function range(index, bins, min, max) {
  const step = (max - min) / bins;
  return [min + index * step, min + (index + 1) * step];
}

function picture(counts, min, max, logarithmic) {
  const scale = (count) => (logarithmic ? Math.log1p(count) : count);
  const highest = Math.max(...counts);
  const peak = counts.indexOf(highest);
  const between = (index) => {
    const [low, high] = range(index, counts.length, min, max);
    return { low: formatNumber(low), high: formatNumber(high), count: counts[index] };
  };
  return chart({
    heights: counts.map((count) => scale(count) / (scale(highest) || 1)),
    stepped: true,
    ends: [formatNumber(min), formatNumber(max)],
    label: t('histogram.label', { min: formatNumber(min), max: formatNumber(max), ...between(peak) }),
    describe: (index) => t('histogram.readout', between(index)),
  });
}
