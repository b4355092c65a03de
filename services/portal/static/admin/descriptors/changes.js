// What administrators changed, newest first.

import { t } from '../../app/i18n.js';
import { formatTime } from '../../app/format.js';
import { badge, text, time } from '../cells.js';
import { changeKind, changeModel, fieldsChanged } from '../history.js';

const who = (row, { names }) => (row.user_id === 0 ? t('admin.operator') : text(names('user', row.user_id)));
const kind = (row) => {
  const [icon, tone, name] = changeKind(row.action_flag);
  return badge(t(`logKind.${name}`), tone, icon);
};
const fields = (row) => fieldsChanged(row.change_message).join(', ');

/** @type {import('../engine.js').Descriptor} */
export const changes = {
  name: 'log',
  area: 'audit',
  icon: 'edit',
  permissions: { view: 'view_logentry' },
  path: '/api/auth/admin-log',
  list: 'entries',
  key: (row) => String(row.id),
  title: (row) => row.object_repr || row.object_id,
  owners: (row) => ({ users: row.user_id > 0 ? [row.user_id] : [] }),
  columns: [
    { name: 'action_time', class: 'cell-time', cell: (row) => time(row.action_time) },
    { name: 'actor', cell: who },
    { name: 'change', class: 'cell-narrow', cell: kind },
    { name: 'object', class: 'cell-main', cell: (row) => text(row.object_repr || row.object_id) },
    { name: 'model', wide: true, cell: changeModel },
    { name: 'fields', wide: true, cell: (row) => text(fields(row)) },
  ],
  filters: [
    { name: 'model', values: ['user', 'group', 'session', 'apikey', 'serviceaccount'], text: (value) => changeModel({ model: value }) },
  ],
  facts: (row, context) => [
    ['action_time', formatTime(row.action_time, { seconds: true })],
    ['actor', who(row, context)],
    ['change', kind(row)],
    ['model', changeModel(row)],
    ['object', row.object_repr],
    ['id', row.object_id],
    ['fields', fields(row)],
  ],
};
