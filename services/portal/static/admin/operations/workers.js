// Who measures files, on what, since when, and with how much memory.

import { resultAddress } from '../../app/addresses.js';
import { formatBytes, formatNumber, formatTime } from '../../app/format.js';
import { t } from '../../app/i18n.js';
import { usePolled } from '../../app/polled.js';
import { html } from '../../ui/html.js';
import { Empty } from '../../ui/states.js';
import { badge } from '../cells.js';
import { formatSpan, secondsSince } from './duration.js';
import { laneName } from './lanes.js';
import { Live } from './live.js';

const SECONDS = 5;
const TONES = { working: ['good', 'check'], draining: ['pending', 'clock'], stopped: ['quiet', ''], lost: ['bad', 'alert'] };
const SHOWN = 5;

/** @param {{user: any}} properties */
export function Workers({ user }) {
  const polled = usePolled('/api/processing/workers', SECONDS);
  const sees = user.permissions.includes('view_dicomresult');
  return html`<section class="workers" aria-labelledby="workers-heading">
    <h2 id="workers-heading">${t('worker.heading')}</h2>
    <${Live} polled=${polled}>
      ${polled.data &&
      (polled.data.workers.length === 0
        ? html`<section class="card"><${Empty} icon="measure" text=${t('worker.none')} /></section>`
        : html`<ul class="worker-list">
            ${polled.data.workers.map((worker) => html`<${Worker} key=${worker.worker} worker=${worker} sees=${sees} />`)}
          </ul>`)}
    <//>
  </section>`;
}

function Worker({ worker, sees }) {
  const [tone, icon] = TONES[worker.state] ?? TONES.stopped;
  const { files } = worker;
  const more = worker.under_way - Math.min(files.length, SHOWN);
  return html`<li class="card worker" data-worker=${worker.worker}>
    <h3><bdi>${worker.worker}</bdi> ${badge(t(`workerState.${worker.state}`), tone, icon)}</h3>
    <dl class="admin-facts">
      <div><dt>${t('worker.since')}</dt><dd>${formatTime(worker.started_at)}</dd></div>
      <div><dt>${t('worker.heard')}</dt><dd>${formatTime(worker.heard_at, { seconds: true })}</dd></div>
      <div><dt>${t('worker.version')}</dt><dd>${worker.version}</dd></div>
      <div>
        <dt>${t('worker.slots')}</dt>
        <dd>${t('worker.busy', { busy: formatNumber(worker.busy), slots: formatNumber(worker.slots) })}</dd>
      </div>
      <div><dt>${t('worker.memory')}</dt><dd><${Memory} worker=${worker} /></dd></div>
    </dl>
    <p class="quiet">${t('worker.files', { count: worker.under_way })}</p>
    ${files.length > 0 &&
    html`<ul class="worker-files">
      ${files.slice(0, SHOWN).map((file) => html`<${BegunFile} key=${file.file_id} file=${file} sees=${sees} />`)}
    </ul>`}
    ${files.length > 0 && more > 0 && html`<p class="quiet">${t('admin.andMore', { count: more })}</p>`}
  </li>`;
}

function Memory({ worker: { budget_bytes: budget, budget_used_bytes: used } }) {
  if (!budget) return '—';
  const label = t('worker.memoryOf', { used: formatBytes(used ?? 0), budget: formatBytes(budget) });
  return html`<meter min="0" max=${budget} value=${used ?? 0} aria-label=${label}></meter> ${label}`;
}

// A file by its id: whoever looks after processing need not see what it shows.
function BegunFile({ file, sees }) {
  const id = html`<code>${file.file_id}</code>`;
  const facts = [
    formatSpan(secondsSince(file.since)),
    file.lane !== null && laneName(file.lane),
    file.attempt > 1 && t('worker.attempt', { attempt: file.attempt }),
  ].filter(Boolean);
  return html`<li>
    ${sees ? html`<a href=${resultAddress(file.file_id)} data-route>${id}</a>` : id}
    <span class="quiet"> ${facts.join(' · ')}</span>
  </li>`;
}
