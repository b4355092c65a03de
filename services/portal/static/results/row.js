// One row of the list.

import { resultAddress } from '../app/addresses.js';
import { resultPaths } from '../app/api.js';
import { el, icon, isolated } from '../ui/dom.js';
import { formatBytes, formatNumber, formatTime } from '../app/format.js';
import { protectedImage } from '../ui/protected-image.js';

const STATE_MARKS = {
  received: ['clock', 'pending'],
  processed: ['check', 'good'],
  failed: ['alert', 'bad'],
  superseded: ['retry', 'quiet'],
};

/** A state as a coloured word with an icon, so that colour is never the only sign. */
export function stateBadge(state) {
  const [iconName, tone] = STATE_MARKS[state] ?? ['info', 'quiet'];
  return el(
    'span',
    { class: `badge tone-${tone}`, data: { state } },
    icon(iconName),
    el('span', { i18n: `state.${state}` }),
  );
}

/** A device as the server names it; "unknown" stands for a file that names none. */
export function deviceName(name, attributes = {}) {
  return name === 'unknown'
    ? el('span', { ...attributes, i18n: 'list.unknownDevice' })
    : isolated(name || '—', attributes);
}

/**
 * The columns; staff see one more.
 * @returns {any[][]}
 */
export function columns(staff) {
  return [
    ['list.file', 'column-file', fileCell],
    ['list.modality', 'column-modality', (result) => result.modality ?? '—'],
    ['list.state', 'column-state', (result) => stateBadge(result.state)],
    ['list.before', 'column-number', (result) => number(result.average_before_normalization)],
    ['list.after', 'column-number', (result) => number(result.average_after_normalization)],
    ['list.size', 'column-number column-size', (result) => formatBytes(result.size_bytes)],
    [
      'list.received',
      'column-time',
      (result) => el('time', { datetime: result.received_at }, formatTime(result.received_at)),
    ],
    ...(staff ? [['list.owner', 'column-owner', ownerCell]] : []),
  ];
}

function number(value) {
  return el(
    'span',
    value === null || value === undefined ? {} : { title: String(value) },
    formatNumber(value),
  );
}

function fileCell(result) {
  return el(
    'div',
    { class: 'file' },
    el(
      'span',
      { class: 'thumbnail' },
      result.thumbnail ? protectedImage(resultPaths(result.file_id).thumbnail, '') : icon('file'),
    ),
    el(
      'span',
      { class: 'file-names' },
      el(
        'a',
        { href: resultAddress(result.file_id), 'data-route': true, class: 'row-link' },
        isolated(result.file_name || result.file_id),
      ),
      deviceName(result.device_name, { class: 'quiet' }),
    ),
  );
}

function ownerCell(result, user) {
  return result.owner_id === user.user_id
    ? el('span', { i18n: 'list.ownerYou' })
    : el('span', { i18n: ['list.ownerOther', { id: String(result.owner_id) }] });
}

/** The `<tr>` of a result. */
export function resultRow(result, user) {
  return el(
    'tr',
    { data: { fileId: result.file_id, state: result.state } },
    columns(user.staff).map(([, className, cell], index) =>
      el(
        index === 0 ? 'th' : 'td',
        { class: className, scope: index === 0 ? 'row' : null },
        cell(result, user),
      ),
    ),
  );
}
