// Groups: who is together, and what that allows.

import { t } from '../../app/i18n.js';
import { mark, object } from '../cells.js';
import { GroupMembers } from '../members.js';
import { permissionChoices } from '../permission-names.js';
import { formatNumber } from '../../app/format.js';

/** @type {import('../engine.js').Descriptor} */
export const groups = {
  name: 'groups',
  area: 'identity',
  icon: 'group',
  permissions: { view: 'view_group', add: 'add_group', change: 'change_group', delete: 'delete_group' },
  path: '/api/auth/groups',
  list: 'groups',
  search: 'q',
  key: (row) => String(row.id),
  title: (row) => row.name,
  model: ['auth', 'group'],
  columns: [
    { name: 'name', class: 'cell-main', cell: (row) => object('groups', String(row.id), row.name) },
    { name: 'members', class: 'cell-number cell-narrow', cell: (row) => formatNumber(row.members) },
    { name: 'mode', wide: true, cell: (row) => t(`groupMode.${row.mode}`) },
    { name: 'requires_second_factor', wide: true, cell: (row) => mark(row.requires_second_factor) },
    { name: 'permissions', wide: true, class: 'cell-number', cell: (row) => formatNumber(row.permissions.length) },
  ],
  fields: [
    { name: 'name', required: true, more: { maxlength: 150 } },
    { name: 'mode', kind: 'select', start: 'none', values: ['none', 'view', 'manage'], text: (value) => t(`groupMode.${value}`) },
    { name: 'requires_second_factor', kind: 'check' },
    { name: 'permissions', kind: 'picker', load: permissionChoices },
  ],
  goesWith: (row) => [t('goesWith.members', { count: row.members }), t('goesWith.granted', { count: row.permissions.length })],
  Beside: GroupMembers,
};
