// What shares and links have in common: what they open.

import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { collectionOwner } from './cells.js';

/** What is opened, in words: a study, a series or a file, and its number. */
export function whatIsOpened(row) {
  const id = row.file_id ?? row.series_instance_uid ?? row.study_instance_uid;
  return `${t(`sharedKind.${row.kind}`)} ${id}`;
}

/** Ids for names: who made it, whose it is, and with whom it is shared. */
export function sharersOf(row) {
  const { kind, id } = collectionOwner(row.collection);
  const people = [row.created_by, ...(kind === 'user' ? [id] : []), ...(row.grantee?.kind === 'user' ? [row.grantee.id] : [])];
  return { users: people, groups: [...(kind === 'group' ? [id] : []), ...(row.grantee?.kind === 'group' ? [row.grantee.id] : [])] };
}

/** When it ends. */
export const ends = (iso) => (iso ? formatTime(iso) : t('admin.noEnd'));
