// What is done with the studies that are chosen.

import { retryAll } from '../app/actions.js';
import { addressed } from '../app/link-mode.js';
import { withQuery } from '../app/api.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { saveFrom } from '../app/saving.js';
import { toast } from '../app/toasts.js';
import { patientName } from './row.js';

const ARCHIVES = 10; // at once: browsers ask before they take many
const STUDIES = 500; // of one request

/** What this reader may do with them. @param {import('../app/listing.js').Listing} listing */
export function choicesFor(listing, user) {
  const may = (permission) => user.permissions.includes(permission);
  return [
    may('view_dicomfile') && { label: t('bulk.download'), icon: 'download', onSelect: () => withChosen(listing, download) },
    may('retry_dicomfile') && { label: t('bulk.retry'), icon: 'retry', onSelect: () => withChosen(listing, retry) },
  ].filter(Boolean);
}

// The studies that are chosen, those that are not loaded yet too; null, and said so, where one of them could not be had.
async function chosenOf(listing) {
  if (!listing.everything) return listing.rows.filter((study) => listing.selected.has(listing.keyOf(study)));
  const studies = await listing.all();
  if (listing.cursor === null) return studies;
  toast([listing.stale && errorText(listing.stale), t('bulk.incomplete', { count: studies.length })].filter(Boolean).join(' '), 'bad');
  return null;
}

async function withChosen(listing, act) {
  const studies = await chosenOf(listing);
  if (studies !== null) await act(studies);
}

/** Those that are chosen, to be shared; null for none of them. @returns {Promise<import('../shares/things.js').Thing[] | null>} */
export async function thingsOf(listing) {
  const studies = await chosenOf(listing);
  return studies?.map((study) => ({
    title: patientName(study),
    item: { study_instance_uid: study.study_instance_uid, collection: study.collection },
  })) ?? null;
}

async function retry(studies) {
  const failed = studies.filter((study) => study.files_failed > 0);
  if (failed.length === 0) {
    toast(t('bulk.noneFailed'));
    return;
  }
  const batches = [...new Set(failed.map((study) => study.collection))].flatMap((collection) => {
    const uids = failed.filter((study) => study.collection === collection).map((study) => study.study_instance_uid);
    return Array.from({ length: Math.ceil(uids.length / STUDIES) }, (_, at) => ({ collection, studies: uids.slice(at * STUDIES, (at + 1) * STUDIES) }));
  });
  for (const [at, where] of batches.entries()) {
    if (await retryAll({ where })) continue;
    const count = batches.slice(at + 1).reduce((sum, { studies: uids }) => sum + uids.length, 0);
    if (count > 0) toast(t('bulk.notBegun', { count }), 'bad');
    return;
  }
}

// One archive each, as the study's own page gives it.
function download(studies) {
  if (studies.length > ARCHIVES) {
    toast(t('bulk.tooManyArchives', { count: ARCHIVES }), 'bad');
    return;
  }
  for (const { study_instance_uid: uid, collection } of studies)
    saveFrom(addressed(withQuery(`/api/studies/${encodeURIComponent(uid)}/zip`, { collection })), '');
}
