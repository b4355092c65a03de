// MedicalImageResult: what was measured.

import { resultAddress } from '../../app/addresses.js';
import { formatNumber } from '../../app/format.js';
import { t } from '../../app/i18n.js';
import { html } from '../../ui/html.js';
import { fileState, ownersOf, text, time } from '../cells.js';
import { reprocess, retry } from '../file-actions.js';

/** @type {import('../engine.js').Descriptor} */
export const results = {
  name: 'results',
  area: 'files',
  icon: 'measure',
  permissions: { view: 'view_dicomresult' },
  path: '/api/results',
  list: 'results',
  search: 'q',
  sort: '-received',
  key: (row) => row.file_id,
  title: (row) => row.file_name || row.file_id,
  href: (row) => resultAddress(row.file_id),
  owners: ownersOf,
  columns: [
    {
      name: 'file_name',
      class: 'cell-main',
      cell: (row) =>
        html`<a class="grid-link" href=${resultAddress(row.file_id)} data-route tabindex="-1"><bdi>${row.file_name || row.file_id}</bdi></a>`,
    },
    { name: 'processed_at', class: 'cell-time', wide: true, cell: (row) => time(row.processed_at) },
    { name: 'received', sort: 'received', class: 'cell-time', wide: true, cell: (row) => time(row.received_at) },
    { name: 'device', wide: true, cell: (row) => text(row.device_name === 'unknown' ? '' : row.device_name) },
    { name: 'before', wide: true, class: 'cell-number', cell: (row) => formatNumber(row.average_before_normalization) },
    { name: 'after', wide: true, class: 'cell-number', cell: (row) => formatNumber(row.average_after_normalization) },
    { name: 'state', class: 'cell-narrow', cell: (row) => fileState(row.state) },
    { name: 'owner', wide: true, cell: (row, { names }) => text(names('user', row.owner_id)) },
  ],
  filters: [
    { name: 'state', values: ['received', 'processed', 'failed'], text: (value) => t(`state.${value}`) },
    { name: 'modality', typed: 'text' },
    { name: 'device', typed: 'text' },
    { name: 'from', typed: 'date' },
    { name: 'to', typed: 'date' },
  ],
  actions: [retry, reprocess],
};
