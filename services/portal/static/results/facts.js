// What a result's page says about the file itself: its heading, and the small print below.

import { ApiError, NetworkError, checkSession, resultPaths } from '../app/api.js';
import { el, icon, isolated } from '../ui/dom.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { stateBadge } from './row.js';

/** The heading: name, state, download, when and whose. */
export function resultHeading(result, user) {
  const owner = result.owner?.id ?? result.owner_id;
  const facts = [
    ['result.received', formatTime(result.received_at, { seconds: true })],
    result.processed_at && ['result.processedAt', formatTime(result.processed_at, { seconds: true })],
    user.staff &&
      owner !== undefined && [
        'result.owner',
        owner === user.user_id ? t('list.ownerYou') : t('list.ownerOther', { id: String(owner) }),
      ],
  ].filter(Boolean);
  return el(
    'header',
    { class: 'result-head' },
    el('h1', { tabindex: -1 }, isolated(result.file_name || result.file_id)),
    stateBadge(result.state),
    user.permissions.includes('view_dicomfile') && downloadLink(result),
    el(
      'dl',
      { class: 'facts' },
      facts.map(([key, value]) => el('div', {}, el('dt', { i18n: key }), el('dd', {}, value))),
    ),
  );
}

function downloadLink(result) {
  return el(
    'a',
    {
      class: 'button',
      href: resultPaths(result.file_id).file,
      download: result.file_name || '',
      on: { click: renewFirst },
    },
    icon('download'),
    el('span', { i18n: 'result.download' }),
  );
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
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
  }
}

/** What support asks for. */
export function technicalSection(result) {
  const facts = [
    ['technical.fileId', result.file_id],
    ['technical.sha256', result.sha256],
    ['technical.transferSyntax', result.transfer_syntax_uid],
    ['technical.attempts', result.attempts],
    ['technical.trace', result.trace_id],
  ].filter(([, value]) => value !== null && value !== undefined);
  return el(
    'details',
    { class: 'technical' },
    el('summary', { i18n: 'technical.heading' }),
    el(
      'dl',
      { class: 'facts' },
      facts.map(([key, value]) =>
        el('div', {}, el('dt', { i18n: key }), el('dd', {}, el('code', {}, value))),
      ),
    ),
  );
}
