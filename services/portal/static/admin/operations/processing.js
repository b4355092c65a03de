// The processors' work: what waits where, who works on what, and the lanes that are paused.

import { request } from '../../app/api.js';
import { formatNumber } from '../../app/format.js';
import { t } from '../../app/i18n.js';
import { errorText } from '../../app/problems.js';
import { usePolled } from '../../app/polled.js';
import { setTitle } from '../../app/title.js';
import { toast } from '../../app/toasts.js';
import { html } from '../../ui/html.js';
import { Icon } from '../../ui/icon.js';
import { linkSheet } from '../../ui/sheet.js';
import { useEffect, useRef } from '../../vendor/hooks.mjs';
import { nameOf } from '../engine.js';
import { Trail } from '../trail.js';
import { formatHourly, formatSpan } from './duration.js';
import { Lanes } from './lanes.js';
import { Live, LiveSince } from './live.js';
import { Queues } from './queues.js';
import { Workers } from './workers.js';

linkSheet(new URL('./operations.css', import.meta.url));

const SECONDS = 3;

/** @param {{work: any, descriptor: import('../engine.js').Descriptor}} properties */
export function View({ work, descriptor }) {
  const { user } = work;
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  const queues = usePolled('/api/processing/queues', SECONDS);
  useEffect(() => {
    setTitle(() => nameOf(descriptor));
    heading.current.focus();
  }, [descriptor]);
  const change = async (lane) => {
    const act = lane.paused ? 'resume' : 'pause';
    try {
      await request(`/api/processing/queues/${encodeURIComponent(lane.queue)}/${act}`, { method: 'POST' });
      toast(t(`laneDone.${act}`, { lane: lane.label }));
    } catch (error) {
      toast(errorText(error), 'bad');
    }
    queues.again();
  };
  return html`<div class="admin operations">
    <${Trail} />
    <div class="page-head">
      <h1 tabindex="-1" ref=${heading}>${nameOf(descriptor)}</h1>
      <${LiveSince} polled=${queues} />
      <div class="page-actions"><${Dashboards} href=${queues.data?.dashboards_url} /></div>
    </div>
    <${Live} polled=${queues}>
      ${queues.data &&
      html`<${Sums} queues=${queues.data} />
        <${Lanes} queues=${queues.data} onChange=${user.permissions.includes('pause_queue') ? change : null} />
        <${Queues} queues=${queues.data.queues} lanes=${queues.data.lanes} user=${user} />`}
    <//>
    ${user.permissions.includes('view_worker') && html`<${Workers} user=${user} />`}
  </div>`;
}

function Dashboards({ href }) {
  return (
    href &&
    html`<a class="button small" href=${href} target="_blank" rel="noopener noreferrer">
      <${Icon} name="screen" /><span>${t('processing.dashboards')}</span>
    </a>`
  );
}

function Sums({ queues }) {
  const sums = [
    ['waiting', formatNumber(queues.waiting_files)],
    ['oldest', queues.waiting_files > 0 ? formatSpan(queues.oldest_waiting_seconds) : '—'],
    ['backlog', formatSpan(queues.backlog_seconds)],
    ['slots', formatNumber(queues.slots)],
    ['hour', formatHourly(queues.ended_last_hour)],
    ['pace', formatSpan(queues.seconds_per_file)],
  ];
  return html`<dl class="sums" aria-label=${t('processing.figures')}>
    ${sums.map(
      ([name, value]) =>
        html`<div key=${name} data-sum=${name}>
          <dt>${t(`processingSum.${name}`)}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}
