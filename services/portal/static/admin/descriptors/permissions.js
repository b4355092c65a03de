// Every permission there is, and where each is used.

import { formatNumber } from '../../app/format.js';
import { hasText, t } from '../../app/i18n.js';
import { html } from '../../ui/html.js';
import { permissionName } from '../permission-names.js';
import { PermissionUse } from '../permission-use.js';

const model = (row) => (hasText(`permissionModel.${row.model}`) ? t(`permissionModel.${row.model}`) : row.model);

/** @type {import('../engine.js').Descriptor} */
export const permissions = {
  name: 'permissions',
  area: 'identity',
  icon: 'key',
  permissions: { view: 'view_permission' },
  path: '/api/auth/permissions',
  list: 'permissions',
  local: true,
  key: (row) => row.codename,
  title: (row) => permissionName(row.codename),
  words: (row) => `${permissionName(row.codename)} ${row.codename} ${model(row)}`,
  columns: [
    { name: 'permission', class: 'cell-main', cell: (row) => permissionName(row.codename) },
    { name: 'codename', sort: 'codename', ascending: true, wide: true, class: 'cell-code', cell: (row) => row.codename },
    { name: 'model', sort: 'model', ascending: true, wide: true, cell: model },
    { name: 'in_groups', sort: 'groups', class: 'cell-number cell-narrow', cell: (row) => formatNumber(row.groups) },
    { name: 'of_users', sort: 'users', wide: true, class: 'cell-number cell-narrow', cell: (row) => formatNumber(row.users) },
  ],
  facts: (row) => [
    ['codename', row.codename],
    ['model', model(row)],
    ['used_by', html`<${PermissionUse} codename=${row.codename} />`],
  ],
};
