// What is shared with whom.

import { request } from '../../app/api.js';
import { t } from '../../app/i18n.js';
import { collection, text, time } from '../cells.js';
import { ends, sharersOf, whatIsOpened } from '../shared-things.js';

/** @type {import('../engine.js').Descriptor} */
export const shares = {
  name: 'shares',
  area: 'access',
  icon: 'share',
  permissions: { view: 'view_entry' },
  path: '/api/shares',
  always: { all: 'true' },
  list: 'shares',
  key: (row) => row.id,
  title: whatIsOpened,
  owners: sharersOf,
  columns: [
    { name: 'shared_by', class: 'cell-main', cell: (row, { names }) => text(names('user', row.created_by)) },
    { name: 'shared_with', cell: (row, { names }) => text(names(row.grantee.kind, row.grantee.id)) },
    { name: 'object', wide: true, cell: (row) => text(whatIsOpened(row)) },
    { name: 'collection', wide: true, cell: (row, context) => collection(row.collection, context) },
    { name: 'mode', wide: true, cell: (row) => t(`shareMode.${row.mode}`) },
    { name: 'since', wide: true, class: 'cell-time', cell: (row) => time(row.created_at) },
    { name: 'until', wide: true, class: 'cell-time', cell: (row) => ends(row.until) },
  ],
  actions: [
    {
      name: 'withdraw',
      icon: 'trash',
      tone: 'bad',
      many: true,
      permission: 'manage_all_dicomresult',
      run: (row) => request(`/api/shares/${encodeURIComponent(row.id)}`, { method: 'DELETE' }),
    },
  ],
};
