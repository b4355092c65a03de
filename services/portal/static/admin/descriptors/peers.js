// Peers: who may send by DIMSE (C-STORE), for which account and into which collection.

import { t } from '../../app/i18n.js';
import { badge, collection, collectionOwner, object, text, time } from '../cells.js';

/** @type {import('../engine.js').Descriptor} */
export const peers = {
  name: 'peers',
  area: 'access',
  icon: 'program',
  permissions: { view: 'view_peer', add: 'add_peer', change: 'change_peer', delete: 'delete_peer' },
  path: '/api/peers',
  list: 'peers',
  search: 'q',
  key: (row) => row.id,
  title: (row) => row.ae_title,
  owners: (row) => {
    const { kind, id } = collectionOwner(row.collection);
    return { users: [row.account_id, ...(kind === 'user' ? [id] : [])], groups: kind === 'group' ? [id] : [] };
  },
  columns: [
    { name: 'ae_title', class: 'cell-main', cell: (row) => object('peers', row.id, row.ae_title) },
    { name: 'addresses', class: 'cell-code', cell: (row) => text(row.addresses.join(', ')) },
    { name: 'account_id', label: 'account', cell: (row, { names }) => text(names('user', row.account_id)) },
    { name: 'collection', wide: true, cell: (row, context) => collection(row.collection, context) },
    { name: 'active', label: 'is_active', class: 'cell-narrow', cell: (row) => badge(t(row.active ? 'admin.active' : 'admin.inactive'), row.active ? 'good' : 'quiet') },
    { name: 'note', wide: true, cell: (row) => text(row.note) },
    { name: 'changed_at', wide: true, class: 'cell-time', cell: (row) => time(row.changed_at) },
  ],
  fields: [
    { name: 'ae_title', required: true, more: { maxlength: 16, spellcheck: false } },
    { name: 'addresses', required: true, read: (row) => row.addresses.join(', '), more: { spellcheck: false } },
    { name: 'account_id', label: 'account', kind: 'account', required: true },
    { name: 'collection', label: 'peer_collection', more: { maxlength: 30, autocapitalize: 'none', spellcheck: false } },
    { name: 'certificate', more: { maxlength: 128, autocapitalize: 'none', spellcheck: false } },
    { name: 'port', label: 'peer_port', kind: 'number', more: { min: 1, max: 65535 } },
    { name: 'active', label: 'peer_active', kind: 'check', start: true },
    { name: 'note', more: { maxlength: 500 } },
  ],
};
