// The audit log: who did what, to what, when, from where, and how it ended.

import { t } from '../../app/i18n.js';
import { formatTime } from '../../app/format.js';
import { html } from '../../ui/html.js';
import { auditFilter, dayBegins } from '../audit-search.js';
import { AuditState } from '../audit-state.js';
import { badge, text, time } from '../cells.js';

const TONES = { success: ['good', 'check'], refused: ['pending', 'lock'], error: ['bad', 'alert'] };
const ending = (row) => badge(t(`auditEnding.${row.ending}`), ...(TONES[row.ending] ?? ['quiet', '']));
const actorId = (actor) => (actor.startsWith('user:') ? [Number(actor.slice(5))] : []);
const actor = (row, { names }) => {
  const [id] = actorId(row.actor);
  return id === undefined ? text(row.actor) : html`<bdi>${names('user', id)}</bdi>`;
};
const objects = (row) => [row.object_type, row.objects.slice(0, 3).join(', ')].filter(Boolean).join(' ');

/** @type {import('../engine.js').Descriptor} */
export const audit = {
  name: 'audit',
  area: 'audit',
  icon: 'shield',
  permissions: { view: 'view_entry' },
  path: '/api/auth/audit',
  list: 'entries',
  find: auditFilter,
  key: (row) => String(row.seq),
  title: (row) => `${row.seq}`,
  owners: (row) => ({ users: actorId(row.actor) }),
  Above: AuditState,
  columns: [
    { name: 'at', class: 'cell-time', cell: (row) => time(row.at) },
    { name: 'actor', cell: actor },
    { name: 'action', wide: true, cell: (row) => html`<span class="cell-code">${row.action}</span>` },
    { name: 'object', wide: true, cell: (row) => text(objects(row)) },
    { name: 'address', wide: true, cell: (row) => text(row.address) },
    { name: 'ending', class: 'cell-narrow', cell: ending },
  ],
  filters: [
    { name: 'ending', values: ['success', 'refused', 'error'], text: (value) => t(`auditEnding.${value}`) },
    { name: 'action', typed: 'text' },
    { name: 'from', typed: 'date', ask: (day) => dayBegins(day) },
    { name: 'to', typed: 'date', ask: (day) => dayBegins(day, 1) },
  ],
  exports: [
    { name: 'csv', icon: 'download', permission: 'export_entry', href: '/api/auth/audit/export' },
    { name: 'jsonl', icon: 'download', permission: 'export_entry', href: '/api/auth/audit/export' },
    { name: 'fhir', icon: 'download', permission: 'export_entry', href: '/api/auth/audit/export' },
  ],
  facts: (row, context) => [
    ['at', formatTime(row.at, { seconds: true })],
    ['actor', html`${actor(row, context)} <span class="quiet">${row.actor}</span>`],
    ['acting_as', row.acting_as],
    ['action', row.action],
    ['ending', ending(row)],
    ['object_type', row.object_type],
    ['objects', row.objects.join(', ')],
    ['collection', row.collection],
    ['studies', row.studies.join(', ')],
    ['address', row.address],
    ['route', row.route],
    ['status', row.status],
    ['trace_id', row.trace_id],
    ['service', row.service],
    ['sealed_at', formatTime(row.sealed_at, { seconds: true })],
    ['link', row.link],
    ['details', Object.keys(row.details).length > 0 ? html`<code>${JSON.stringify(row.details)}</code>` : null],
  ],
};
