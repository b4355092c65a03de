// DICOMFile: what was sent.

import { resultAddress } from '../../app/addresses.js';
import { formatBytes } from '../../app/format.js';
import { t } from '../../app/i18n.js';
import { html } from '../../ui/html.js';
import { badge, collection, ownersOf, text, time } from '../cells.js';
import { retry } from '../file-actions.js';

/** @type {import('../engine.js').Descriptor} */
export const files = {
  name: 'files',
  area: 'files',
  icon: 'file',
  permissions: { view: 'view_dicomfile' },
  path: '/api/files',
  list: 'files',
  search: 'q',
  sort: '-uploaded',
  key: (row) => row.id,
  title: (row) => row.file_name || row.id,
  href: (row) => resultAddress(row.id),
  owners: ownersOf,
  columns: [
    {
      name: 'file',
      class: 'cell-main',
      cell: (row) =>
        html`<a class="grid-link" href=${resultAddress(row.id)} data-route tabindex="-1" title=${row.file}><bdi>${row.file_name || row.file}</bdi></a>`,
    },
    { name: 'uploaded_at', sort: 'uploaded', class: 'cell-time', cell: (row) => time(row.uploaded_at) },
    { name: 'owner', wide: true, cell: (row, { names }) => text(names('user', row.owner_id)) },
    { name: 'collection', wide: true, cell: (row, context) => collection(row.collection, context) },
    { name: 'size', wide: true, class: 'cell-number cell-narrow', cell: (row) => formatBytes(row.size_bytes) },
    { name: 'intake', wide: true, cell: (row) => badge(t(`intakeState.${row.state}`), row.state === 'accepted' ? 'good' : 'quiet') },
    {
      name: 'sha256',
      wide: true,
      class: 'cell-code',
      cell: (row) => html`<span title=${row.sha256}>${row.sha256.slice(0, 12)}</span>`,
    },
  ],
  filters: [{ name: 'state', label: 'intake', values: ['accepted', 'superseded'], text: (value) => t(`intakeState.${value}`) }],
  actions: [retry],
};
