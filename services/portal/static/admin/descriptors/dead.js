// Dead letters: messages and events that were given up, until somebody sends them again or deletes them.

import { formatBytes, formatNumber, formatTime } from '../../app/format.js';
import { html } from '../../ui/html.js';
import { text, time } from '../cells.js';
import { DeadTotal, settleDead } from '../operations/dead.js';

const ofEvent = (row, name) => row.event?.[name] ?? null;

/** @type {import('../engine.js').Descriptor} */
export const dead = {
  name: 'dead',
  area: 'processing',
  icon: 'alert',
  permissions: { view: 'view_deadletter' },
  path: '/api/processing/dead',
  list: 'letters',
  refresh: 60, // each look walks through the queues
  key: (row) => row.id,
  title: (row) => row.id,
  Above: DeadTotal,
  columns: [
    { name: 'queue', class: 'cell-code', cell: (row) => text(row.queue ?? row.place) },
    { name: 'reason', class: 'cell-main', cell: (row) => text(row.reason) },
    { name: 'event_type', wide: true, class: 'cell-code', cell: (row) => text(ofEvent(row, 'type')) },
    { name: 'attempts', wide: true, class: 'cell-number cell-narrow', cell: (row) => formatNumber(row.attempts) },
    { name: 'given_up_at', class: 'cell-time', cell: (row) => time(row.given_up_at) },
  ],
  filters: [
    { name: 'queue', typed: 'text' },
    { name: 'reason', typed: 'text' },
    { name: 'type', label: 'event_type', typed: 'text' },
    { name: 'file_id', typed: 'text' },
  ],
  actions: [
    {
      name: 'replayDead',
      icon: 'retry',
      many: true,
      permission: 'replay_deadletter',
      run: (row) => settleDead('replay', { ids: [row.id] }),
    },
    {
      name: 'dropDead',
      icon: 'trash',
      tone: 'bad',
      many: true,
      typed: true,
      permission: 'delete_deadletter',
      run: (row) => settleDead('drop', { ids: [row.id] }),
    },
  ],
  facts: (row) => [
    ['queue', row.queue],
    ['place', row.place],
    ['reason', row.reason],
    ['attempts', formatNumber(row.attempts)],
    ['given_up_at', formatTime(row.given_up_at, { seconds: true })],
    ['event_type', ofEvent(row, 'type')],
    ['source', ofEvent(row, 'source')],
    ['event_time', ofEvent(row, 'time') && formatTime(ofEvent(row, 'time'), { seconds: true })],
    ['file_id', ofEvent(row, 'file_id')],
    ['collection', ofEvent(row, 'collection')],
    ['trace_id', row.trace_id ?? ofEvent(row, 'trace_id')],
    ['message_id', row.message_id],
    ['size', formatBytes(row.size_bytes)],
    ['headers', pairs([row.headers])],
    ['earlier', pairs(row.earlier)],
  ],
};

// Names and values as the message has them.
function pairs(objects) {
  const lines = objects.filter((object) => Object.keys(object).length > 0).map((object) => Object.entries(object));
  return (
    lines.length > 0 &&
    html`<ul class="letter-lines">
      ${lines.map((line, index) => html`<li key=${index}><code>${line.map(([name, value]) => `${name}: ${value}`).join(' · ')}</code></li>`)}
    </ul>`
  );
}
