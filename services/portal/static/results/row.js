// What a list says of a file.

import { resultAddress } from '../app/addresses.js';
import { useNames } from '../app/directory.js';
import { formatBytes, formatNumber, formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { personName } from '../dicom/person-name.js';
import { html } from '../ui/html.js';
import { StateBadge } from '../ui/state-badge.js';
import { Thumbnail } from '../ui/thumbnail.js';
import { ownerName } from './filters.js';

/** A device as the server names it; "unknown" stands for a file that names none. */
export function deviceName(name) {
  return name === 'unknown' ? t('list.unknownDevice') : name || '—';
}

/** Their name, or their id, or nothing. */
export function patientOf(result) {
  return personName(result.patient_name) || result.patient_id || '';
}

function FileName({ result }) {
  return html`<div class="file-cell">
    <${Thumbnail} file=${result.thumbnail ? result.file_id : null} />
    <div class="file-names">
      <a href=${resultAddress(result.file_id)} data-route tabindex="-1" class="grid-link clip">
        <bdi>${result.file_name || result.file_id}</bdi>
      </a>
      <span class="quiet clip"><bdi>${[result.folder, deviceName(result.device_name)].filter(Boolean).join(' · ')}</bdi></span>
    </div>
  </div>`;
}

function Patient({ result }) {
  return html`<div class="file-names">
    <bdi class="clip">${patientOf(result) || '—'}</bdi>
    ${result.patient_name && result.patient_id && html`<span class="quiet clip"><bdi>${result.patient_id}</bdi></span>`}
  </div>`;
}

function number(value) {
  return html`<span title=${value === null ? undefined : String(value)}>${formatNumber(value)}</span>`;
}

/** The columns of the list, for this reader; owners are told to staff. */
export function useColumnsFor(user, listing) {
  useNames(user.staff ? [...new Set(listing.rows.map((row) => `user:${row.owner_id}`))] : []);
  const owner = {
    name: 'owner',
    label: t('owner.heading'),
    class: 'cell-owner',
    cell: (row) => html`<bdi class="clip">${ownerName(row.owner_id, user.user_id)}</bdi>`,
  };
  return [
    { name: 'file', label: t('list.file'), fixed: true, class: 'cell-file', cell: (row) => html`<${FileName} result=${row} />` },
    { name: 'patient', label: t('list.patient'), class: 'cell-who', cell: (row) => html`<${Patient} result=${row} />` },
    { name: 'modality', label: t('list.modality'), class: 'cell-modality', cell: (row) => row.modality ?? '—' },
    { name: 'state', label: t('list.state'), class: 'cell-state', cell: (row) => html`<${StateBadge} state=${row.state} />` },
    { name: 'before', label: t('list.before'), class: 'cell-number', cell: (row) => number(row.average_before_normalization) },
    { name: 'after', label: t('list.after'), class: 'cell-number', cell: (row) => number(row.average_after_normalization) },
    { name: 'size', label: t('list.size'), class: 'cell-number cell-size', cell: (row) => formatBytes(row.size_bytes) },
    {
      name: 'received',
      label: t('list.received'),
      sort: 'received',
      class: 'cell-received',
      cell: (row) => html`<time datetime=${row.received_at}>${formatTime(row.received_at)}</time>`,
    },
    ...(user.staff ? [owner] : []),
  ];
}
