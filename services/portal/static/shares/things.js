// What is shared, as the reader is told of it, and where it is shown.

import { resultAddress, studyPage } from '../app/addresses.js';
import { withQuery } from '../app/api.js';
import { formatDay } from '../app/format.js';
import { t } from '../app/i18n.js';
import { personName } from '../dicom/person-name.js';

/**
 * What a dialog shares: `item` names it to the server, e.g. {study_instance_uid, collection} or {file_id}.
 * @typedef {{title: string, item: Record<string, string>}} Thing
 */

/** The name of what a share or a link is of. */
export function titleOf({ kind, thing, file_id: id, study_instance_uid: uid }) {
  if (thing === null) return id ?? uid;
  return kind === 'file' ? thing.file_name || id : personName(thing.patient_name) || thing.patient_id || t('shares.noName');
}

/** More about it, in a line. */
export function detailOf({ kind, thing }) {
  if (thing === null) return t('shares.notSeen');
  const patient = kind === 'file' && (personName(thing.patient_name) || thing.patient_id);
  const series = kind === 'series' && (thing.series_description || t('shares.series'));
  const date = thing.study_date && formatDay(thing.study_date);
  return [patient, series, thing.study_description, date, thing.modality].filter(Boolean).join(' · ');
}

/** The page that shows it. */
export function addressOf({ kind, file_id: id, study_instance_uid: uid, collection }) {
  if (kind === 'file') return resultAddress(id);
  return studyPage(uid, withQuery('', { collection }));
}
