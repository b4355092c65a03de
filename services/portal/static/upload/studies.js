// The studies that uploads belong to, each with a link.

import { pageAddress } from '../app/addresses.js';
import { foreseen, request, withQuery } from '../app/api.js';
import { formatDay } from '../app/format.js';
import { t } from '../app/i18n.js';
import { personName } from '../dicom/person-name.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

const FEW = 12;
const PATIENCE = 1500; // milliseconds until a study that is not known yet is asked for again
const TRIES = 20;

/** @param {{ledger: import('./ledger.js').Ledger}} properties */
export function Studies({ ledger }) {
  const [all, setAll] = useState(false);
  const studies = [...ledger.studies.values()];
  if (studies.length === 0) return null;
  const shown = all ? studies : studies.slice(0, FEW);
  return html`<div class="upload-studies">
    <h3>${t('upload.studies', { count: studies.length })}</h3>
    <ul role="list">
      ${shown.map((study) => html`<${Study} key=${`${study.uid} ${study.collection}`} study=${study} />`)}
    </ul>
    ${shown.length < studies.length &&
    html`<button type="button" class="button small" onClick=${() => setAll(true)}>
      ${t('upload.moreStudies', { count: studies.length - shown.length })}
    </button>`}
  </div>`;
}

function Study({ study: { uid, collection, files, known } }) {
  const path = withQuery(`/studies/${encodeURIComponent(uid)}`, { collection });
  const told = useStudy(`/api${path}`, known);
  const unknown = t(known ? 'app.loading' : 'outcome.processing');
  const name = told ? personName(told.patient_name) || told.patient_id || t('upload.study') : unknown;
  const facts = told ? [told.study_description, told.study_date && formatDay(told.study_date)].filter(Boolean) : [];
  return html`<li>
    <a class="upload-study" href=${pageAddress(path)} data-route>
      <${Icon} name="studies" />
      <span class="study-names">
        <bdi class="clip">${name}</bdi>
        <bdi class="quiet clip">${[t('upload.files', { count: files }), ...facts].join(' · ')}</bdi>
      </span>
      <${Icon} name="chevron" />
    </a>
  </li>`;
}

/** What the server says of a study, which it knows a moment after it has taken its first file; null until then. */
function useStudy(path, known) {
  const [study, setStudy] = useState(/** @type {any} */ (null));
  useEffect(() => {
    if (!known) return undefined;
    const leaving = new AbortController();
    let timer = 0;
    const ask = (tries) =>
      request(path, { signal: leaving.signal }).then(setStudy, (error) => {
        if (error.name === 'AbortError') return;
        if (!foreseen(error)) throw error;
        if (tries > 1) timer = window.setTimeout(() => ask(tries - 1), PATIENCE);
      });
    ask(TRIES);
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [path, known]);
  return study;
}
