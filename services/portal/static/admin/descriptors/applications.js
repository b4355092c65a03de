// Applications: programs of others, viewers above all, that people let read in their place.

import { request } from '../../app/api.js';
import { t } from '../../app/i18n.js';
import { badge, object, text, time } from '../cells.js';

const SCOPES = ['openid', 'profile', 'email', 'dicomweb', 'dicomweb.store'];
const PATH = '/api/auth/applications';

async function scopeChoices() {
  return SCOPES.map((scope) => ({ value: scope, label: t(`scope.${scope}`), hint: scope }));
}

/** @type {import('../engine.js').Descriptor} */
export const applications = {
  name: 'applications',
  area: 'access',
  icon: 'program',
  permissions: { view: 'view_application', add: 'add_application', change: 'change_application', delete: 'delete_application' },
  path: PATH,
  list: 'applications',
  local: true,
  key: (row) => row.client_id,
  title: (row) => row.name,
  model: ['auth', 'application'],
  columns: [
    { name: 'name', sort: 'name', ascending: true, class: 'cell-main', cell: (row) => object('applications', row.client_id, row.name) },
    { name: 'client_id', class: 'cell-code', cell: (row) => text(row.client_id) },
    { name: 'redirect_uris', wide: true, class: 'cell-code', cell: (row) => text(row.redirect_uris.join(' ')) },
    { name: 'scopes', wide: true, cell: (row) => text(row.scopes.join(' ')) },
    {
      name: 'is_active',
      class: 'cell-narrow',
      cell: (row) => badge(t(row.is_active ? 'admin.active' : 'admin.inactive'), row.is_active ? 'good' : 'quiet'),
    },
    { name: 'last_used_at', wide: true, class: 'cell-time', cell: (row) => time(row.last_used_at) },
  ],
  fields: [
    { name: 'name', required: true, more: { maxlength: 100 } },
    { name: 'client_id', label: 'application_id', change: false, more: { maxlength: 64, autocapitalize: 'none', spellcheck: false } },
    { name: 'redirect_uris', required: true, words: true, read: (row) => row.redirect_uris.join(' '), more: { maxlength: 20000, spellcheck: false } },
    {
      name: 'post_logout_redirect_uris',
      words: true,
      read: (row) => row.post_logout_redirect_uris.join(' '),
      more: { maxlength: 20000, spellcheck: false },
    },
    { name: 'scopes', kind: 'picker', start: ['openid', 'profile', 'dicomweb'], load: scopeChoices },
    { name: 'trusted', kind: 'check' },
    { name: 'confidential', kind: 'check', change: false },
    { name: 'is_active', label: 'application_active', kind: 'check', add: false },
  ],
  made: (answer) => answer.client_secret,
  actions: [
    {
      name: 'newSecret',
      icon: 'key',
      tone: 'bad',
      many: true,
      permission: 'change_application',
      applies: (row) => row.confidential,
      run: (row) => request(`${PATH}/${encodeURIComponent(row.client_id)}/secret`, { method: 'POST' }),
      show: (answer) => answer.client_secret,
    },
  ],
};
