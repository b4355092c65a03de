// What needs an eye now, as far as the reader may know it: each figure leads to where it can be seen to.

import { foreseenOrStopped, request } from '../app/api.js';
import { formatBytes, formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { adminAddress, may } from './engine.js';
import { RESOURCES } from './resources.js';

const SUMMARY = '/api/results/summary';

/**
 * `read`: the figure, of the answer; null: it is not known. `bad`: whether any is one too many.
 * @type {{name: string, permission: string, path: string, read: (answer: any) => number | null, resource: string, query?: string,
 *   bad?: boolean, shown?: (value: number) => string}[]}
 */
const FIGURES = [
  { name: 'queued', permission: 'view_dicomresult', path: SUMMARY, read: (answer) => answer.received, resource: 'results', query: '?state=received' },
  { name: 'processed', permission: 'view_dicomresult', path: SUMMARY, read: (answer) => answer.processed, resource: 'results', query: '?state=processed' },
  { name: 'failed', permission: 'view_dicomresult', path: SUMMARY, read: (answer) => answer.failed, resource: 'results', query: '?state=failed', bad: true },
  { name: 'waiting', permission: 'view_queue', path: '/api/processing/queues', read: (answer) => answer.waiting_files, resource: 'processing' },
  { name: 'dead', permission: 'view_queue', path: '/api/processing/queues', read: deadLetters, resource: 'dead', bad: true },
  { name: 'paused', permission: 'view_queue', path: '/api/processing/queues', read: pausedLanes, resource: 'processing', bad: true },
  { name: 'room', permission: 'view_setting', path: '/api/files/system', read: (answer) => answer.storage?.free_bytes ?? null, resource: 'settings', shown: formatBytes },
  { name: 'users', permission: 'view_user', path: '/api/auth/users?limit=1', read: (answer) => answer.total, resource: 'users' },
];

function pausedLanes({ lanes }) {
  return lanes.filter(({ paused }) => paused).length;
}

function deadLetters({ queues }) {
  return queues.filter(({ role }) => role === 'dead').reduce((sum, { messages }) => sum + (messages ?? 0), 0);
}

export function Figures({ user }) {
  const [figures, setFigures] = useState(/** @type {Record<string, number | null>} */ ({}));
  const mine = FIGURES.filter(({ permission }) => user.permissions.includes(permission));
  useEffect(() => {
    const leaving = new AbortController();
    for (const path of new Set(mine.map((figure) => figure.path)))
      request(path, { signal: leaving.signal }).then(
        (answer) => {
          const found = mine.filter((figure) => figure.path === path).map(({ name, read }) => [name, read(answer)]);
          setFigures((before) => ({ ...before, ...Object.fromEntries(found) }));
        },
        (error) => {
          // Without an answer there is no figure; what it leads to says what is wrong.
          if (!foreseenOrStopped(error)) throw error;
        },
      );
    return () => leaving.abort();
  }, [user]);
  if (mine.length === 0) return null;
  return html`<ul class="figures" aria-label=${t('admin.figures')}>
    ${mine.map((figure) => html`<li key=${figure.name} data-figure=${figure.name}><${Figure} figure=${figure} value=${figures[figure.name]} user=${user} /></li>`)}
  </ul>`;
}

function Figure({ figure: { name, resource, query = '', bad = false, shown = formatNumber }, value, user }) {
  const content = html`<span class="figure-number">${value === undefined || value === null ? '—' : shown(value)}</span>
    <span>${t(`adminFigure.${name}`)}</span>`;
  const look = bad && value > 0 ? 'figure tone-bad' : 'figure';
  const descriptor = RESOURCES.find((one) => one.name === resource);
  if (descriptor === undefined || !may(user, descriptor, 'view')) return html`<div class=${look}>${content}</div>`;
  return html`<a href=${adminAddress(resource) + query} data-route class=${look}>${content}</a>`;
}
