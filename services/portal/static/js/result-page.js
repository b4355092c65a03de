// The view of one result: image, measures, histogram, header.

import { listAddress } from './addresses.js';
import { ApiError, NetworkError, request, resultPaths } from './api.js';
import { button, el, fill, icon, isolated } from './dom.js';
import { formatTime } from './format.js';
import { frameMeansSection } from './frame-means.js';
import { histogramSection } from './histogram.js';
import { t } from './i18n.js';
import { loadKeywords } from './keywords.js';
import { measuresSection } from './measures.js';
import { MetadataTable } from './metadata.js';
import { errorText, failureText } from './problems.js';
import { protectedImage } from './protected-image.js';
import { stateBadge } from './results-row.js';

/** `renamed()` is called once the file's name is known. */
export function resultView({ user, live, uploads }, fileId, signal, renamed) {
  const element = el('div', { class: 'result', 'aria-busy': 'true' }, el('h1', { tabindex: -1, i18n: 'result.loading' }));
  let result = null;
  let metadata = null;

  async function load() {
    try {
      result = await request(resultPaths(fileId).self, { signal });
      uploads.queue.learn(result.file_id, result.state);
      metadata = new MetadataTable(result.raw_data ?? {}, await loadKeywords(signal));
      show();
      renamed();
      if (result.state !== 'received' && !uploads.queue.busy) live.stop(); // nothing more to wait for
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
      fill(element, backLink(), problemSection(error, load));
    }
    element.removeAttribute('aria-busy');
  }

  function show() {
    const focused = element.contains(document.activeElement) && document.activeElement.matches('h1');
    metadata.render();
    fill(element, backLink(), ...sections(result, user, metadata));
    if (focused) element.querySelector('h1').focus();
  }

  live.addEventListener('change', ({ detail }) => detail.file_id === fileId && load(), { signal });
  live.addEventListener('resync', () => result?.state !== 'processed' && load(), { signal });
  document.addEventListener('languagechange', () => result !== null && show(), { signal });
  load();
  live.start();
  return { element, title: () => result?.file_name || t('result.heading') };
}

function backLink() {
  return el('a', { class: 'back', href: listAddress(), 'data-route': true }, icon('back'), el('span', { i18n: 'result.back' }));
}

function problemSection(error, again) {
  const unknown = error instanceof ApiError && error.status === 404;
  return el(
    'section',
    { class: 'card message' },
    el('h1', { tabindex: -1, i18n: unknown ? 'result.unknown' : 'error.heading' }),
    el('p', { role: 'alert' }, unknown ? t('result.unknownText') : errorText(error)),
    button('list.retry', 'retry', again),
  );
}

function sections(result, user, metadata) {
  const statistics = result.statistics ?? {};
  return [
    heading(result, user),
    result.state === 'received' && el('p', { class: 'notice', i18n: 'result.waiting' }),
    result.state === 'failed' && failureSection(result),
    el(
      'div',
      { class: 'result-grid' },
      imageSection(result),
      measuresSection(result),
    ),
    histogramSection(statistics),
    frameMeansSection(statistics),
    warningsSection(result.warnings ?? []),
    metadata.element,
    technicalSection(result),
  ].filter(Boolean);
}

// What support asks for.
function technicalSection(result) {
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
    el('dl', { class: 'facts' }, facts.map(([key, value]) => el('div', {}, el('dt', { i18n: key }), el('dd', {}, el('code', {}, value))))),
  );
}

function heading(result, user) {
  const owner = result.owner?.id ?? result.owner_id;
  const facts = [
    ['result.received', formatTime(result.received_at, { seconds: true })],
    result.processed_at && ['result.processedAt', formatTime(result.processed_at, { seconds: true })],
    user.staff && owner !== undefined && ['result.owner', owner === user.user_id ? t('list.ownerYou') : t('list.ownerOther', { id: String(owner) })],
  ].filter(Boolean);
  return el(
    'header',
    { class: 'result-head' },
    el('h1', { tabindex: -1 }, isolated(result.file_name || result.file_id)),
    stateBadge(result.state),
    el('a', { class: 'button', href: resultPaths(result.file_id).file, download: result.file_name || '', on: { click: renewFirst } }, icon('download'), el('span', { i18n: 'result.download' })),
    el('dl', { class: 'facts' }, facts.map(([key, value]) => el('div', {}, el('dt', { i18n: key }), el('dd', {}, value)))),
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
    await request('/api/auth/me');
    link.dataset.sure = 'yes';
    link.click();
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
  }
}

function failureSection(result) {
  const reason = result.failure?.reason ?? 'unknown';
  return el(
    'section',
    { class: 'notice bad', role: 'alert' },
    icon('alert'),
    el(
      'div',
      {},
      el('p', {}, el('strong', {}, failureText(reason)), ' ', el('code', {}, reason)),
      result.failure?.detail && el('p', { class: 'quiet', lang: 'en' }, result.failure.detail),
    ),
  );
}

function imageSection(result) {
  const picture = result.thumbnail
    ? protectedImage(resultPaths(result.file_id).thumbnail, t('result.imageAlt', { name: result.file_name }), { class: 'preview', loading: 'eager' })
    : el('p', { class: 'no-image', i18n: result.state === 'received' ? 'result.imageWaiting' : 'result.noImage' });
  return el(
    'figure',
    { class: 'card image-card' },
    picture,
    result.thumbnail
      ? el('figcaption', { class: 'quiet', i18n: 'result.imageCaption' })
      : result.statistics?.thumbnail_missing && el('figcaption', { class: 'quiet', lang: 'en' }, result.statistics.thumbnail_missing),
  );
}

function warningsSection(warnings) {
  if (warnings.length === 0) return null;
  return el(
    'section',
    { class: 'card', 'aria-labelledby': 'warnings-heading' },
    el('h2', { id: 'warnings-heading', i18n: 'result.warnings' }),
    el('ul', { lang: 'en' }, warnings.map((warning) => el('li', {}, isolated(warning)))),
  );
}
