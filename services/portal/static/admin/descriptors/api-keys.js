// API keys of everybody.

import { request } from '../../app/api.js';
import { t } from '../../app/i18n.js';
import { object, text, time } from '../cells.js';

/** @type {import('../engine.js').Descriptor} */
export const apiKeys = {
  name: 'api-keys',
  area: 'access',
  icon: 'key',
  permissions: { view: 'view_apikey' },
  path: '/api/auth/api-keys',
  list: 'api_keys',
  search: 'q',
  key: (row) => row.id,
  title: (row) => `${row.name} (${row.username})`,
  columns: [
    { name: 'name', class: 'cell-main', cell: (row) => text(row.name) },
    { name: 'username', cell: (row) => object('users', String(row.user_id), row.username) },
    { name: 'prefix', wide: true, class: 'cell-code', cell: (row) => `${row.prefix}…` },
    {
      name: 'permissions',
      wide: true,
      cell: (row) => (row.permissions === null ? t('admin.allOfOwner') : text(row.permissions.join(', '))),
    },
    { name: 'since', wide: true, class: 'cell-time', cell: (row) => time(row.created_at) },
    { name: 'last_used_at', wide: true, class: 'cell-time', cell: (row) => time(row.last_used_at) },
    { name: 'expires_at', wide: true, class: 'cell-time', cell: (row) => time(row.expires_at) },
  ],
  actions: [
    {
      name: 'revoke',
      icon: 'trash',
      tone: 'bad',
      many: true,
      permission: 'delete_apikey',
      run: (row) => request(`/api/auth/api-keys/${encodeURIComponent(row.id)}`, { method: 'DELETE' }),
    },
  ],
};
