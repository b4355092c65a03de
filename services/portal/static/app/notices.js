// What happened that concerns the reader: what others share with them, files of theirs that failed, uploads with problems.
// The server keeps no notices: they are read off what there is. Nothing here touches the page.

import { personName } from '../dicom/person-name.js';
import { pageAddress, resultAddress, studyPage } from './addresses.js';
import { withQuery } from './api.js';

/**
 * @typedef {{key: string, at: string, icon: string, text: string, parameters: Record<string, any>, address: string,
 *   from?: string}} Notice `text`: a sentence's key; `from`: whom it is from, e.g. `user:7`
 */

const named = (thing, otherwise) =>
  thing ? personName(thing.patient_name) || thing.patient_id || thing.file_name : otherwise;

/** Shares of others, each one notice. @returns {Notice[]} */
export function sharesReceived(shares, user) {
  return shares
    .filter((share) => share.created_by !== user.user_id)
    .map((share) => ({
      key: `share ${share.id}`,
      at: share.created_at,
      icon: 'share',
      text: 'bell.shared',
      parameters: { title: named(share.thing, share.file_id ?? share.study_instance_uid) },
      from: `user:${share.created_by}`,
      address:
        share.kind === 'file'
          ? resultAddress(share.file_id)
          : studyPage(share.study_instance_uid, withQuery('', { collection: share.collection })),
    }));
}

/** Failed files, those of one study together. @returns {Notice[]} */
export function filesFailed(results) {
  /** @type {Map<string, any[]>} */
  const studies = new Map();
  for (const row of results) {
    const study = `${row.collection} ${row.study_instance_uid ?? row.file_id}`;
    studies.set(study, [...(studies.get(study) ?? []), row]);
  }
  return [...studies.values()].map((rows) => {
    const [latest] = rows;
    const at = rows.map((row) => row.processed_at ?? row.received_at).sort().at(-1);
    const alone = rows.length === 1 || latest.study_instance_uid === null;
    const title = alone ? latest.file_name || latest.file_id : named(latest, latest.study_instance_uid);
    return {
      key: `failed ${latest.file_id} ${rows.length}`,
      at,
      icon: 'alert',
      text: 'bell.failed',
      parameters: { count: rows.length, title },
      address: alone ? resultAddress(latest.file_id) : pageAddress(withQuery('/files', { state: 'failed' })),
    };
  });
}

/** The newest first. @param {Notice[]} notices */
export function inOrder(notices, most) {
  return notices.toSorted((one, other) => Date.parse(other.at) - Date.parse(one.at)).slice(0, most);
}

/** How many came after `read`, the moment of the last look; null: there was none. @param {Notice[]} notices */
export function unreadOf(notices, read) {
  return notices.filter(({ at }) => read === null || Date.parse(at) > Date.parse(read));
}
