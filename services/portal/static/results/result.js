// The view of one result: image, measures, histogram, header.

import { listAddress } from '../app/addresses.js';
import { ApiError, NetworkError, request, resultPaths } from '../app/api.js';
import { loadNames } from '../dicom/attribute-names.js';
import { button, el, fill, icon, isolated } from '../ui/dom.js';
import { frameMeansSection, loadFrameMeans } from './frame-means.js';
import { histogramSection } from './histogram.js';
import { t } from '../app/i18n.js';
import { measuresSection } from './measures.js';
import { MetadataTable } from './metadata.js';
import { errorText, failureText, knowsFailure } from '../app/problems.js';
import { protectedImage } from '../ui/protected-image.js';
import { resultHeading, technicalSection } from './facts.js';

/** `renamed()` is called once the file's name is known. */
export function resultView({ user, live, uploads }, fileId, signal, renamed) {
  const element = el(
    'div',
    { class: 'result', 'aria-busy': 'true' },
    el('h1', { tabindex: -1, i18n: 'result.loading' }),
  );
  let result = null;
  let metadata = null;

  async function load() {
    try {
      result = await request(resultPaths(fileId).self, { signal });
      uploads.queue.learn(result.file_id, result.state);
      await loadFrameMeans(result, signal);
      metadata = new MetadataTable(result.raw_data ?? {}, await loadNames());
      if (signal.aborted) return;
      show();
      renamed();
      if (result.state !== 'received' && !uploads.queue.busy) live.stop(); // nothing more to wait for
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
      put(problemSection(error, load));
    }
    element.removeAttribute('aria-busy');
  }

  function show() {
    metadata.render();
    put(...sections(result, user, metadata));
  }

  function put(...content) {
    const focused = document.activeElement === element.querySelector('h1');
    fill(element, backLink(), ...content);
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
  return el(
    'a',
    { class: 'back', href: listAddress(), 'data-route': true },
    icon('back'),
    el('span', { i18n: 'result.back' }),
  );
}

function problemSection(error, again) {
  const unknown = error instanceof ApiError && error.status === 404;
  return el(
    'section',
    { class: 'card message' },
    el('h1', { tabindex: -1, i18n: unknown ? 'result.unknown' : 'error.heading' }),
    el('p', { role: 'alert' }, unknown ? t('result.unknownText') : errorText(error)),
    button('error.retry', 'retry', again),
  );
}

function sections(result, user, metadata) {
  const statistics = result.statistics ?? {};
  return [
    resultHeading(result, user),
    result.state === 'received' && el('p', { class: 'notice', i18n: 'result.waiting' }),
    result.state === 'superseded' && el('p', { class: 'notice', i18n: 'result.superseded' }),
    ['failed', 'superseded'].includes(result.state) && failureSection(result),
    el('div', { class: 'result-grid' }, imageSection(result), measuresSection(result)),
    histogramSection(statistics),
    frameMeansSection(statistics),
    warningsSection(result.warnings ?? []),
    metadata.element,
    technicalSection(result),
  ].filter(Boolean);
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
      // For a known reason the server's sentence says the same again, in English.
      !knowsFailure(reason) &&
        result.failure?.detail &&
        el('p', { class: 'quiet', lang: 'en' }, result.failure.detail),
    ),
  );
}

function imageSection(result) {
  const picture = result.thumbnail
    ? protectedImage(
        resultPaths(result.file_id).thumbnail,
        t('result.imageAlt', { name: result.file_name }),
        { class: 'preview', loading: 'eager' },
      )
    : el('p', {
        class: 'no-image',
        i18n: result.state === 'received' ? 'result.imageWaiting' : 'result.noImage',
      });
  return el(
    'figure',
    { class: 'card image-card' },
    picture,
    result.thumbnail
      ? el('figcaption', { class: 'quiet', i18n: 'result.imageCaption' })
      : result.statistics?.thumbnail_missing &&
          el('figcaption', { class: 'quiet', lang: 'en' }, result.statistics.thumbnail_missing),
  );
}

function warningsSection(warnings) {
  if (warnings.length === 0) return null;
  return el(
    'section',
    { class: 'card', 'aria-labelledby': 'warnings-heading' },
    el('h2', { id: 'warnings-heading', i18n: 'result.warnings' }),
    el(
      'ul',
      { lang: 'en' },
      warnings.map((warning) => el('li', {}, isolated(warning))),
    ),
  );
}
