// Every other queue of the broker; what is dead leads to where it can be seen to.

import { formatNumber } from '../../app/format.js';
import { t } from '../../app/i18n.js';
import { html } from '../../ui/html.js';
import { adminAddress } from '../engine.js';
import { badge } from '../cells.js';

const ORDER = ['main', 'dead', 'retry', 'state', 'retired'];

/** Queues that are none of lanes, those that need an eye first. */
export function otherQueues(queues, lanes) {
  const ofLanes = new Set(lanes.map(({ queue }) => queue));
  return queues
    .filter(({ name }) => !ofLanes.has(name))
    .sort((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role) || a.name.localeCompare(b.name));
}

/** What is wrong with a queue: the key of its word, or null. */
export function troubleOf({ role, messages, consumers }) {
  if (messages === null) return 'missing';
  if (role === 'dead' && messages > 0) return 'dead';
  if (role === 'main' && messages > 0 && consumers === 0) return 'unserved';
  return null;
}

/** @param {{queues: any[], lanes: any[], user: any}} properties */
export function Queues({ queues, lanes, user }) {
  const others = otherQueues(queues, lanes);
  return html`<section class="card" aria-labelledby="queues-heading">
    <h2 id="queues-heading">${t('queue.heading')}</h2>
    <div class="scroll" role="group" tabindex="0" aria-labelledby="queues-heading">
      <table class="plain-table">
        <thead>
          <tr>
            <th scope="col">${t('queue.queue')}</th>
            <th scope="col">${t('queue.role')}</th>
            <th scope="col" class="cell-number">${t('queue.ready')}</th>
            <th scope="col" class="cell-number">${t('queue.consumers')}</th>
            <th scope="col">${t('queue.state')}</th>
          </tr>
        </thead>
        <tbody>
          ${others.map((queue) => html`<${Queue} key=${queue.name} queue=${queue} user=${user} />`)}
        </tbody>
      </table>
    </div>
  </section>`;
}

function Queue({ queue, user }) {
  const trouble = troubleOf(queue);
  const leads = trouble === 'dead' && user.permissions.includes('view_deadletter');
  return html`<tr data-queue=${queue.name}>
    <th scope="row" class="cell-code">${queue.name}</th>
    <td>${t(`queueRole.${queue.role}`)}</td>
    <td class="cell-number">${formatNumber(queue.messages)}</td>
    <td class="cell-number">${formatNumber(queue.consumers)}</td>
    <td>
      ${trouble === null ? html`<span class="quiet">—</span>` : badge(t(`queueTrouble.${trouble}`), 'bad', 'alert')}
      ${leads && html` <a href=${adminAddress('dead')} data-route>${t('queue.see')}</a>`}
    </td>
  </tr>`;
}
