// What a list says of a study.

import { studyPage } from '../app/addresses.js';
import { nameOf, useNames } from '../app/directory.js';
import { formatDay, formatNumber, formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { ageAt } from '../dicom/dates.js';
import { personName } from '../dicom/person-name.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Thumbnail } from '../ui/thumbnail.js';

/** What tells one study of a list from another: the same UID may lie in several collections. */
export function keyOf(study) {
  return `${study.study_instance_uid} ${study.collection}`;
}

/** The page of one study; of the collection that the list showed. */
export function studyAddress(study) {
  const query = new URLSearchParams({ collection: study.collection });
  return studyPage(study.study_instance_uid, `?${query}`);
}

/** Their name, or their id, or that there is neither. */
export function patientName(study) {
  return personName(study.patient_name) || study.patient_id || t('studies.noName');
}

/** Birth date, age at the study and sex. */
export function patientFacts(study) {
  const age = ageAt(study.patient_birth_date, study.study_date);
  return [
    study.patient_id,
    study.patient_birth_date && formatDay(study.patient_birth_date),
    age && t(`age.${age.unit}`, { count: age.value }),
    sex(study.patient_sex),
  ].filter(Boolean);
}

function sex(value) {
  return ['F', 'M', 'O'].includes(value) ? t(`sex.${value}`) : '';
}

/** How many of its files wait, are done, or failed: a number for each that there is. */
export function StudyState({ study }) {
  const counts = [
    ['processed', 'check', 'good', study.files_processed],
    ['received', 'clock', 'pending', study.files_received],
    ['failed', 'alert', 'bad', study.files_failed],
  ].filter(([, , , count]) => count > 0);
  return html`<span class="study-state">
    ${counts.map(
      ([state, icon, tone, count]) =>
        html`<span class=${`badge tone-${tone}`} data-state=${state} title=${t(`stateCount.${state}`, { count })}>
          <${Icon} name=${icon} />${formatNumber(count)}<span class="visually-hidden"> ${t(`state.${state}`)}</span>
        </span>`,
    )}
  </span>`;
}

function Patient({ study }) {
  return html`<div class="study-patient">
    <${Thumbnail} file=${study.cover_file_id} icon="studies" />
    <div class="study-names">
      <a href=${studyAddress(study)} data-route tabindex="-1" class="grid-link"><bdi>${patientName(study)}</bdi></a>
      <span class="quiet clip"><bdi>${patientFacts(study).join(' · ')}</bdi></span>
    </div>
  </div>`;
}

function Description({ study }) {
  return html`<div class="study-names">
    <bdi class="clip">${study.study_description || t('studies.noDescription')}</bdi>
    <span class="quiet clip">
      ${study.modalities.map((modality) => html`<span class="modality">${modality}</span> `)}
      ${t('studies.series', { count: study.series_count })} · ${t('studies.images', { count: study.instances })}
    </span>
  </div>`;
}

/** Where it lies, in the reader's words; `name`: of whose collection it is. */
export function placeText(study, user, name) {
  const { collection } = study;
  if (collection === `user:${user.user_id}`) return t('studies.mine');
  if (collection in user.collections) return name ?? t('studies.ofGroup');
  if (user.permissions.includes('view_all_dicomresult')) return name === null ? collection : t('studies.of', { name });
  return name === null ? t('studies.shared') : t('studies.sharedBy', { name });
}

/** The columns of the list, for this reader. */
export function useColumnsFor(user, listing) {
  const places = new Set(listing.rows.map((study) => study.collection));
  places.delete(`user:${user.user_id}`);
  useNames([...places]);
  return [
    { name: 'patient', label: t('studies.patient'), fixed: true, sort: 'patient', ascending: true, class: 'cell-patient', cell: (study) => html`<${Patient} study=${study} />` },
    { name: 'description', label: t('studies.study'), class: 'cell-study', cell: (study) => html`<${Description} study=${study} />` },
    {
      name: 'date',
      label: t('studies.date'),
      sort: 'study_date',
      class: 'cell-date',
      cell: (study) => (study.study_date ? formatDay(study.study_date) : '—'),
    },
    { name: 'state', label: t('studies.state'), class: 'cell-state', cell: (study) => html`<${StudyState} study=${study} />` },
    { name: 'place', label: t('studies.place'), class: 'cell-place', cell: (study) => html`<span class="clip">${placeText(study, user, nameOf(study.collection))}</span>` },
    {
      name: 'received',
      label: t('studies.received'),
      sort: 'received',
      class: 'cell-received',
      cell: (study) => html`<time datetime=${study.received_at}>${formatTime(study.received_at)}</time>`,
    },
  ];
}
