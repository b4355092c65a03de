// Who is signed in, and where.

import { request } from '../../app/api.js';
import { t } from '../../app/i18n.js';
import { badge, object, text, time } from '../cells.js';
import { html } from '../../ui/html.js';

/** @type {import('../engine.js').Descriptor} */
export const sessions = {
  name: 'sessions',
  area: 'access',
  icon: 'screen',
  permissions: { view: 'view_session' },
  path: '/api/auth/sessions',
  list: 'sessions',
  search: 'q',
  key: (row) => row.id,
  title: (row) => row.username,
  columns: [
    {
      name: 'username',
      class: 'cell-main',
      cell: (row) => html`${object('users', String(row.user_id), row.username)} ${row.current && badge(t('admin.thisSession'), 'good')}`,
    },
    { name: 'remote_address', cell: (row) => text(row.remote_address) },
    { name: 'user_agent', wide: true, cell: (row) => text([row.application, row.user_agent].filter(Boolean).join(' · ')) },
    { name: 'since', wide: true, class: 'cell-time', cell: (row) => time(row.created_at) },
    { name: 'last_used_at', wide: true, class: 'cell-time', cell: (row) => time(row.last_used_at) },
    { name: 'expires_at', wide: true, class: 'cell-time', cell: (row) => time(row.expires_at) },
  ],
  actions: [
    {
      name: 'endSession',
      icon: 'leave',
      tone: 'bad',
      many: true,
      permission: 'delete_session',
      run: (row) => request(`/api/auth/users/${row.user_id}/sessions/${row.id}`, { method: 'DELETE' }),
    },
  ],
};
