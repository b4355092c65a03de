// The mean of each frame of a multi-frame image.

import { ApiError, NetworkError, request, resultPaths } from '../app/api.js';
import { chart } from '../ui/chart.js';
import { dataTable } from '../ui/data-table.js';
import { el } from '../ui/dom.js';
import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';

const MOST = 4096; // more bars than these are no picture, and no table that anybody reads

/** Fetch the means that are too many to come with the statistics; without them the page shows the rest. */
export async function loadFrameMeans({ file_id: fileId, statistics }, signal) {
  if (!statistics?.frame_means_stored) return;
  try {
    const { frame_means: means } = await request(resultPaths(fileId).frameMeans, { signal });
    statistics.frame_means = means.slice(0, MOST);
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
  }
}

/** The card of per-frame means, or null for fewer than two frames. */
export function frameMeansSection({ frame_means: means, frames }) {
  if (!Array.isArray(means) || means.length < 2) return null;
  const known = means.filter((mean) => mean !== null);
  const low = known.reduce((least, mean) => Math.min(least, mean), Infinity);
  const high = known.reduce((most, mean) => Math.max(most, mean), -Infinity);
  return el(
    'section',
    { class: 'card', id: 'frame-means', 'aria-labelledby': 'frames-heading' },
    el('h2', { id: 'frames-heading', i18n: 'frames.heading' }),
    frames > means.length &&
      el('p', { class: 'quiet', i18n: ['frames.first', { shown: means.length, frames }] }),
    chart({
      heights: means.map((mean) => (high > low && mean !== null ? (mean - low) / (high - low) : 0.5)),
      stepped: false,
      ends: [t('frames.frame', { number: 1 }), t('frames.frame', { number: means.length })],
      label: t('frames.label', { frames: means.length, low: formatNumber(low), high: formatNumber(high) }),
      describe: (index) => t('frames.readout', { number: index + 1, mean: formatNumber(means[index]) }),
    }),
    dataTable('frames.table', ['frames.number', 'frames.mean'], () =>
      means.map((mean, index) => [formatNumber(index + 1), formatNumber(mean)]),
    ),
  );
}
