// Service accounts: programs that sign in by themselves.

import { request } from '../../app/api.js';
import { t } from '../../app/i18n.js';
import { badge, object, text, time } from '../cells.js';
import { groupChoices, permissionChoices } from '../permission-names.js';
import { adminAddress } from '../engine.js';

/** @type {import('../engine.js').Descriptor} */
export const serviceAccounts = {
  name: 'service-accounts',
  area: 'access',
  icon: 'program',
  permissions: { view: 'view_serviceaccount', add: 'add_serviceaccount' },
  path: '/api/auth/service-accounts',
  list: 'service_accounts',
  local: true,
  key: (row) => String(row.id),
  title: (row) => row.username,
  href: (row) => adminAddress('users', String(row.id)),
  model: ['auth', 'serviceaccount'],
  columns: [
    { name: 'username', sort: 'username', ascending: true, class: 'cell-main', cell: (row) => object('users', String(row.id), row.username) },
    { name: 'client_id', wide: true, class: 'cell-code', cell: (row) => text(row.client_id) },
    { name: 'method', wide: true, cell: (row) => t(`clientMethod.${row.method}`) },
    { name: 'groups', wide: true, cell: (row) => text(row.groups.join(', ')) },
    {
      name: 'is_active',
      class: 'cell-narrow',
      cell: (row) => badge(t(row.is_active ? 'admin.active' : 'admin.inactive'), row.is_active ? 'good' : 'quiet'),
    },
    { name: 'last_used_at', wide: true, class: 'cell-time', cell: (row) => time(row.last_used_at) },
  ],
  fields: [
    { name: 'username', required: true, more: { maxlength: 150, autocapitalize: 'none', spellcheck: false } },
    { name: 'groups', kind: 'picker', numbers: true, load: groupChoices },
    { name: 'permissions', kind: 'picker', load: permissionChoices },
  ],
  made: (answer) => answer.client_secret,
  actions: [
    {
      name: 'newSecret',
      icon: 'key',
      tone: 'bad',
      many: true,
      permission: 'change_serviceaccount',
      applies: (row) => row.method === 'secret',
      run: (row) => request(`/api/auth/service-accounts/${row.id}/secret`, { method: 'POST' }),
      show: (answer) => answer.client_secret,
    },
  ],
};
