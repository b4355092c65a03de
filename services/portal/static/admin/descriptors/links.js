// Links that open something to whoever has them.

import { request } from '../../app/api.js';
import { formatNumber } from '../../app/format.js';
import { collection, mark, text, time } from '../cells.js';
import { ends, sharersOf, whatIsOpened } from '../shared-things.js';

/** @type {import('../engine.js').Descriptor} */
export const links = {
  name: 'links',
  area: 'access',
  icon: 'link',
  permissions: { view: 'view_entry' },
  path: '/api/links',
  always: { all: 'true' },
  list: 'links',
  key: (row) => row.id,
  title: whatIsOpened,
  owners: sharersOf,
  columns: [
    { name: 'shared_by', class: 'cell-main', cell: (row, { names }) => text(names('user', row.created_by)) },
    { name: 'object', cell: (row) => text(whatIsOpened(row)) },
    { name: 'collection', wide: true, cell: (row, context) => collection(row.collection, context) },
    { name: 'download', wide: true, class: 'cell-narrow', cell: (row) => mark(row.download) },
    { name: 'with_password', wide: true, class: 'cell-narrow', cell: (row) => mark(row.password) },
    { name: 'opened', wide: true, class: 'cell-number cell-narrow', cell: (row) => formatNumber(row.opened) },
    { name: 'last_used_at', wide: true, class: 'cell-time', cell: (row) => time(row.last_opened_at) },
    { name: 'until', wide: true, class: 'cell-time', cell: (row) => ends(row.expires_at) },
  ],
  actions: [
    {
      name: 'withdraw',
      icon: 'trash',
      tone: 'bad',
      many: true,
      permission: 'manage_all_dicomresult',
      run: (row) => request(`/api/links/${encodeURIComponent(row.id)}`, { method: 'DELETE' }),
    },
  ],
};
