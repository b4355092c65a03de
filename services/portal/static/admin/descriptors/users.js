// Accounts of people and services.

import { request } from '../../app/api.js';
import { t } from '../../app/i18n.js';
import { badge, mark, object, text, time } from '../cells.js';
import { groupChoices, permissionChoices } from '../permission-names.js';

const path = (row, rest = '') => `/api/auth/users/${row.id}${rest}`;
const another = (row, { user }) => row.id !== user.user_id;
const person = (row) => row.kind === 'person';
const yesNo = { values: ['true', 'false'], text: (value) => t(value === 'true' ? 'admin.yes' : 'admin.no') };

/** @type {import('../engine.js').Descriptor} */
export const users = {
  name: 'users',
  area: 'identity',
  icon: 'person',
  permissions: { view: 'view_user', add: 'add_user', change: 'change_user', delete: 'delete_user' },
  path: '/api/auth/users',
  list: 'users',
  search: 'q',
  sort: 'username',
  key: (row) => String(row.id),
  title: (row) => row.username,
  model: ['auth', 'user'],
  columns: [
    { name: 'username', sort: 'username', ascending: true, class: 'cell-main', cell: (row) => object('users', String(row.id), row.username) },
    { name: 'full_name', wide: true, cell: (row) => text([row.first_name, row.last_name].filter(Boolean).join(' ')) },
    { name: 'email', wide: true, cell: (row) => text(row.email) },
    { name: 'groups', wide: true, cell: (row) => text(row.groups.map(({ name }) => name).join(', ')) },
    { name: 'is_staff', wide: true, class: 'cell-narrow', cell: (row) => mark(row.is_staff || row.is_superuser) },
    {
      name: 'is_active',
      class: 'cell-narrow',
      cell: (row) => badge(t(row.is_active ? 'admin.active' : 'admin.inactive'), row.is_active ? 'good' : 'quiet'),
    },
    { name: 'second_factor', wide: true, class: 'cell-narrow', cell: (row) => mark(row.second_factor) },
    { name: 'last_login', sort: 'last_login', wide: true, class: 'cell-time', cell: (row) => time(row.last_login) },
  ],
  filters: [
    { name: 'group', label: 'groups', load: groupChoices },
    { name: 'is_active', ...yesNo },
    { name: 'is_staff', ...yesNo },
    { name: 'is_superuser', ...yesNo },
    { name: 'second_factor', ...yesNo },
    { name: 'kind', values: ['person', 'service'], text: (value) => t(`accountKind.${value}`) },
  ],
  fields: [
    { name: 'username', change: false, required: true, more: { maxlength: 150, autocapitalize: 'none', spellcheck: false } },
    { name: 'password', kind: 'password', change: false, required: true, autocomplete: 'new-password' },
    { name: 'first_name', more: { maxlength: 150 } },
    { name: 'last_name', more: { maxlength: 150 } },
    { name: 'email', kind: 'email', more: { maxlength: 254 } },
    {
      name: 'language',
      kind: 'select',
      values: ['', 'es', 'en'],
      text: (value) => t(`accountLanguage.${value || 'none'}`),
    },
    { name: 'is_active', kind: 'check', add: false, closed: (row, context) => !another(row, context) },
    { name: 'is_staff', kind: 'check', closed: (row, context) => !another(row, context) },
    { name: 'is_superuser', kind: 'check', closed: (row, context) => !another(row, context) },
    { name: 'must_change_password', kind: 'check', start: true },
    {
      name: 'groups',
      kind: 'picker',
      numbers: true,
      load: groupChoices,
      read: (row) => row.groups.map(({ id }) => String(id)),
      closed: (row, context) => !another(row, context),
    },
    { name: 'permissions', kind: 'picker', load: permissionChoices, closed: (row, context) => !another(row, context) },
  ],
  goesWith: () => ['sessions', 'keys', 'memberships', 'permissions'].map((what) => t(`goesWith.${what}`)),
  actions: [
    {
      name: 'setPassword',
      icon: 'key',
      permission: 'change_user',
      applies: (row, context) => person(row) && another(row, context),
      ask: [
        { name: 'password', kind: 'password', required: true, autocomplete: 'new-password' },
        { name: 'must_change_password', kind: 'check', start: true },
      ],
      run: (row, values) => request(path(row, '/password'), { method: 'PUT', json: values }),
    },
    {
      name: 'passwordLink',
      icon: 'link',
      permission: 'change_user',
      applies: (row, context) => person(row) && another(row, context),
      run: (row) => request(path(row, '/password-link'), { method: 'POST' }),
      show: (answer) => answer.url,
    },
    {
      name: 'deactivate',
      icon: 'lock',
      tone: 'bad',
      many: true,
      permission: 'change_user',
      applies: (row, context) => row.is_active && another(row, context),
      run: (row) => request(path(row), { method: 'PATCH', json: { is_active: false } }),
    },
    {
      name: 'activate',
      icon: 'check',
      many: true,
      permission: 'change_user',
      applies: (row, context) => !row.is_active && another(row, context),
      run: (row) => request(path(row), { method: 'PATCH', json: { is_active: true } }),
    },
    {
      name: 'unlock',
      icon: 'unlock',
      many: true,
      permission: 'unlock_user',
      applies: person,
      run: (row) => request(path(row, '/unlock'), { method: 'POST' }),
    },
    {
      name: 'endSessions',
      icon: 'leave',
      tone: 'bad',
      many: true,
      permission: 'delete_session',
      run: (row) => request(path(row, '/sessions'), { method: 'DELETE' }),
    },
    {
      name: 'removeSecondFactor',
      icon: 'shield',
      tone: 'bad',
      permission: 'change_user',
      applies: (row, context) => row.second_factor && another(row, context),
      run: (row) => request(path(row, '/totp'), { method: 'DELETE' }),
    },
  ],
};
