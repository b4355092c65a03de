// Jobs: many files that are measured again.

import { request } from '../../app/api.js';
import { formatNumber, formatTime } from '../../app/format.js';
import { t } from '../../app/i18n.js';
import { html } from '../../ui/html.js';
import { Progress } from '../../ui/progress.js';
import { badge, text, time } from '../cells.js';
import { jobShare, jobWords } from '../operations/jobs.js';

const TONES = { running: ['pending', 'clock'], done: ['good', 'check'], cancelled: ['quiet', 'close'] };

const state = (row) => badge(t(`jobState.${row.state}`), ...(TONES[row.state] ?? ['quiet', '']));

const progress = (row) => {
  const share = jobShare(row);
  const label = t('job.done', { done: formatNumber(row.processed + row.failed), total: formatNumber(row.total) });
  return html`<span class="job-progress"><${Progress} value=${share} label=${label} /><span>${label}</span></span>`;
};

const act = (name, icon, states, tone = '') => ({
  name: `${name}Job`,
  icon,
  tone,
  many: true,
  permission: 'change_job',
  applies: (row) => states.includes(row.state),
  run: (row) => request(`/api/processing/jobs/${encodeURIComponent(row.id)}/${name}`, { method: 'POST' }),
});

/** @type {import('../engine.js').Descriptor} */
export const jobs = {
  name: 'jobs',
  area: 'processing',
  icon: 'retry',
  permissions: { view: 'view_job' },
  path: '/api/processing/jobs',
  list: 'jobs',
  refresh: 3,
  key: (row) => row.id,
  title: (row) => jobWords(row.where),
  owners: (row) => ({ users: row.created_by === null ? [] : [row.created_by] }),
  columns: [
    { name: 'where', class: 'cell-main', cell: (row) => text(jobWords(row.where)) },
    { name: 'job_state', cell: state },
    { name: 'progress', cell: progress },
    { name: 'job_failed', wide: true, class: 'cell-number cell-narrow', cell: (row) => formatNumber(row.failed) },
    { name: 'created_at', wide: true, class: 'cell-time', cell: (row) => time(row.created_at) },
    {
      name: 'created_by',
      wide: true,
      cell: (row, { names }) => (row.created_by === null ? t('admin.operator') : text(names('user', row.created_by))),
    },
  ],
  filters: [{ name: 'state', label: 'job_state', values: ['running', 'done', 'cancelled'], text: (value) => t(`jobState.${value}`) }],
  actions: [
    act('cancel', 'close', ['running'], 'bad'),
    act('resume', 'retry', ['cancelled']),
    act('raise', 'sort-up', ['running']),
  ],
  facts: (row, { names }) => [
    ['where', jobWords(row.where)],
    ['job_state', state(row)],
    ['progress', progress(row)],
    ['requested', formatNumber(row.requested)],
    ['under_way', formatNumber(row.under_way)],
    ['job_processed', formatNumber(row.processed)],
    ['job_failed', formatNumber(row.failed)],
    ['created_by', row.created_by === null ? t('admin.operator') : names('user', row.created_by)],
    ['created_at', formatTime(row.created_at)],
    ['raised_at', row.raised_at && formatTime(row.raised_at)],
    ['finished_at', row.finished_at && formatTime(row.finished_at)],
    ['id', row.id],
  ],
};
