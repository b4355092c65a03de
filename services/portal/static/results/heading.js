// What a result is of, and what can be done with it.

import { pageAddress, viewerAddress } from '../app/addresses.js';
import { ApiError, checkSession, foreseen, request, resultPaths, withQuery } from '../app/api.js';
import { useNames } from '../app/directory.js';
import { formatDay, formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { byLink } from '../app/link-mode.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { ShareButton } from '../shares/share-button.js';
import { Button, LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { StateBadge } from '../ui/state-badge.js';
import { useState } from '../vendor/hooks.mjs';
import { CompareDialog } from './compare-dialog.js';
import { ownerName } from './filters.js';
import { patientOf } from './row.js';

export function Heading({ result, neighbours, user, onRetried }) {
  const [comparing, setComparing] = useState(false);
  const { study_instance_uid: uid, series_instance_uid: series } = result;
  const may = (permission) => user.permissions.includes(permission);
  useNames(user.staff ? [`user:${result.owner_id}`] : []);
  const facts = [
    ['result.received', formatTime(result.received_at, { seconds: true })],
    result.processed_at && ['result.processedAt', formatTime(result.processed_at, { seconds: true })],
    user.staff && ['owner.heading', ownerName(result.owner_id, user.user_id)],
  ].filter(Boolean);
  return html`<header class="result-head">
    <h1 tabindex="-1"><bdi>${result.file_name || result.file_id}</bdi></h1>
    <${StateBadge} state=${result.state} />
    <div class="page-actions">
      ${uid && series && html`<${LinkButton} href=${viewerAddress(uid, { series, image: result.file_id, collection: result.collection })} label=${t('result.view')} icon="view" kind="primary" />`}
      ${result.state === 'failed' && may('retry_dicomfile') && html`<${Retry} fileId=${result.file_id} onRetried=${onRetried} />`}
      ${!byLink && html`<${Button} label=${t('compare.with')} icon="compare" onClick=${() => setComparing(true)} />`}
      ${!byLink && html`<${ShareButton} things=${[{ title: result.file_name || result.file_id, item: { file_id: result.file_id } }]} user=${user} />`}
      ${may('view_dicomfile') && html`<${Download} result=${result} />`}
    </div>
    <${Of} result=${result} />
    <dl class="facts">${facts.map(([key, value]) => html`<div key=${key}><dt>${t(key)}</dt><dd>${value}</dd></div>`)}</dl>
    ${comparing && html`<${CompareDialog} result=${result} neighbours=${neighbours} onClose=${() => setComparing(false)} />`}
  </header>`;
}

// Patient, study and series in one line; the first leads to the study.
function Of({ result }) {
  const uid = result.study_instance_uid;
  const who = patientOf(result) || t('result.noPatient');
  const study = [result.study_description, result.study_date && formatDay(result.study_date), result.modality];
  const series = [result.series_number !== null && t('result.series', { number: String(result.series_number) }), result.series_description];
  const image = result.instance_number !== null && t('result.image', { number: String(result.instance_number) });
  const address = pageAddress(withQuery(`/studies/${encodeURIComponent(uid)}`, { collection: result.collection }));
  const rest = [...study, ...series, image].filter(Boolean);
  return html`<p class="result-of">
    ${uid && !byLink ? html`<a href=${address} data-route><bdi>${who}</bdi></a>` : html`<bdi>${who}</bdi>`}
    ${rest.map((text) => html` · <bdi>${text}</bdi>`)}
  </p>`;
}

function Retry({ fileId, onRetried }) {
  const [busy, setBusy] = useState(false);
  const retry = async () => {
    setBusy(true);
    try {
      await request(resultPaths(fileId).retry, { method: 'POST' });
      onRetried();
    } catch (error) {
      if (!foreseen(error)) throw error;
      toast(error instanceof ApiError && error.code === 'conflict' ? t('result.notRetried') : errorText(error), 'bad');
    }
    setBusy(false);
  };
  return html`<${Button} label=${t('result.retry')} icon="retry" kind="primary" disabled=${busy} onClick=${retry} />`;
}

function Download({ result }) {
  return html`<a class="button" href=${resultPaths(result.file_id).file} download=${result.file_name || ''} onClick=${renewFirst}>
    <${Icon} name="download" /><span>${t('result.download')}</span>
  </a>`;
}

// A download is a navigation that nothing can repeat: make sure of the session before it starts.
async function renewFirst(event) {
  const link = event.currentTarget;
  if (link.dataset.sure === 'yes') {
    delete link.dataset.sure;
    return;
  }
  event.preventDefault();
  try {
    await checkSession();
    link.dataset.sure = 'yes';
    link.click();
  } catch (error) {
    if (!foreseen(error)) throw error;
    // That the session is over is said by the page in whose place they sign in.
    if (!(error instanceof ApiError && error.status === 401)) toast(errorText(error), 'bad');
  }
}
