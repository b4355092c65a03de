// The lanes that processors take from: what waits in each, and whether it is paused.

import { formatNumber, formatTime } from '../../app/format.js';
import { hasText, t } from '../../app/i18n.js';
import { Button } from '../../ui/button.js';
import { html } from '../../ui/html.js';
import { badge } from '../cells.js';

/** What a lane is called. */
export function laneName(lane) {
  return hasText(`laneName.${lane}`) ? t(`laneName.${lane}`) : t('lane.numbered', { lane });
}

/**
 * @param {{queues: any, onChange: ((lane: any) => void) | null}} properties
 */
export function Lanes({ queues: { queues, lanes }, onChange }) {
  const depths = new Map(queues.map((queue) => [queue.name, queue]));
  // In one process files wait without queues of their own.
  const told = lanes.some(({ queue }) => depths.has(queue));
  return html`<section class="card" aria-labelledby="lanes-heading">
    <h2 id="lanes-heading">${t('lane.heading')}</h2>
    <p class="quiet">${t('lane.about')}</p>
    <div class="scroll" role="group" tabindex="0" aria-labelledby="lanes-heading">
      <table class="plain-table">
        <thead>
          <tr>
            <th scope="col">${t('lane.lane')}</th>
            ${told && html`<th scope="col" class="cell-number">${t('queue.ready')}</th>`}
            ${told && html`<th scope="col" class="cell-number cell-wide">${t('queue.consumers')}</th>`}
            <th scope="col">${t('lane.state')}</th>
            ${onChange && html`<th scope="col"><span class="visually-hidden">${t('admin.actions')}</span></th>`}
          </tr>
        </thead>
        <tbody>
          ${lanes.map((lane) => html`<${Lane} key=${lane.lane} lane=${lane} told=${told} depth=${depths.get(lane.queue)} onChange=${onChange} />`)}
        </tbody>
      </table>
    </div>
  </section>`;
}

function Lane({ lane, told, depth, onChange }) {
  const label = laneName(lane.lane);
  const act = lane.paused ? 'resume' : 'pause';
  return html`<tr data-lane=${lane.lane}>
    <th scope="row"><span title=${lane.queue}>${label}</span></th>
    ${told && html`<td class="cell-number" data-cell="ready">${formatNumber(depth?.messages)}</td>`}
    ${told && html`<td class="cell-number cell-wide">${formatNumber(depth?.consumers)}</td>`}
    <td>
      ${lane.paused ? badge(t('lane.paused', { time: formatTime(lane.paused_at) }), 'pending', 'lock') : badge(t('lane.open'), 'good', 'check')}
    </td>
    ${onChange &&
    html`<td class="cell-actions">
      <${Button}
        label=${t(`lane.${act}`)}
        aria-label=${t(`lane.${act}One`, { lane: label })}
        icon=${lane.paused ? 'retry' : 'lock'}
        small
        onClick=${() => onChange({ ...lane, label })}
      />
    </td>`}
  </tr>`;
}
