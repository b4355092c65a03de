// The page of one result: what it is of, its image and measures, what was done with it, its header.

import { listAddress } from '../app/addresses.js';
import { byLink } from '../app/link-mode.js';
import { t } from '../app/i18n.js';
import { failureText, knowsFailure } from '../app/problems.js';
import { setTitle } from '../app/title.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { linkSheet } from '../ui/sheet.js';
import { Stale } from '../ui/stale.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useLayoutEffect } from '../vendor/hooks.mjs';
import { FrameMeans } from './frame-means.js';
import { Header } from './header.js';
import { Image } from './image.js';
import { useResult } from './loading.js';
import { Measures } from './measures.js';
import { Neighbours, useNeighbours } from './neighbours.js';
import { Heading } from './heading.js';
import { History } from './history.js';

linkSheet(new URL('./results.css', import.meta.url));
linkSheet(new URL('./result.css', import.meta.url));

export function View({ work, parameters: [fileId] }) {
  const { result, error, stale, at, again, reload } = useResult(fileId, work);
  const neighbours = useNeighbours(fileId, again);
  useEffect(() => setTitle(() => result?.file_name || t('result.heading')), [result?.file_name]);
  useLayoutEffect(() => {
    // Who walks along a series stays where they are on the way.
    if (!document.activeElement?.closest('[data-walk]'))
      /** @type {HTMLElement} */ (document.querySelector('main h1'))?.focus({ preventScroll: result !== null });
  }, [fileId, result === null, error === null]);

  if (error !== null)
    return html`<section class="card">
      ${error.status === 404
        ? html`<${Empty} icon="file" heading=${t('result.unknown')} text=${t('result.unknownText')}><${Back} /><//>`
        : html`<${ErrorState} error=${error} heading=${t('error.heading')} retry=${reload} />`}
    </section>`;
  return html`<div class="result">
    <div class="result-ways"><${Back} /><${Neighbours} neighbours=${neighbours} /></div>
    ${stale !== null && html`<${Stale} at=${at} error=${stale} retry=${reload} />`}
    ${result === null
      ? html`<section class="card"><h1 class="visually-hidden" tabindex="-1">${t('result.loading')}</h1><${Skeleton} /></section>`
      : html`<${Result} key=${fileId} result=${result} neighbours=${neighbours} user=${work.user} again=${again} reload=${reload} />`}
  </div>`;
}

function Result({ result, neighbours, user, again, reload }) {
  const { statistics, warnings } = result;
  return html`
    <${Heading} result=${result} neighbours=${neighbours} user=${user} onRetried=${reload} />
    <${Notices} result=${result} />
    <div class="result-grid"><${Image} result=${result} /><${Measures} result=${result} /></div>
    <${FrameMeans} statistics=${statistics ?? {}} />
    ${!byLink && html`<${History} result=${result} changed=${again} />`}
    ${warnings?.length > 0 && html`<${Warnings} warnings=${warnings} />`}
    <${Header} dataset=${result.raw_data ?? {}} />
  `;
}

function Back() {
  return html`<a class="back" href=${listAddress()} data-route><${Icon} name="back" /><span>${t('result.back')}</span></a>`;
}

function Notices({ result }) {
  const { state, failure } = result;
  const reason = failure?.reason ?? 'unknown';
  return html`
    ${state === 'received' && html`<p class="notice" role="status">${t('result.waiting')}</p>`}
    ${state === 'superseded' && html`<p class="notice">${t('result.superseded')}</p>`}
    ${['failed', 'superseded'].includes(state) &&
    html`<section class="notice bad" role="alert">
      <${Icon} name="alert" />
      <div>
        <p><strong>${failureText(reason)}</strong> <code>${reason}</code></p>
        ${
          // For a known reason the server's sentence says the same again, in English.
          !knowsFailure(reason) && failure?.detail && html`<p class="quiet" lang="en">${failure.detail}</p>`
        }
      </div>
    </section>`}
  `;
}

function Warnings({ warnings }) {
  return html`<section class="card" aria-labelledby="warnings-heading">
    <h2 id="warnings-heading">${t('result.warnings')}</h2>
    <ul lang="en">${warnings.map((warning) => html`<li><bdi>${warning}</bdi></li>`)}</ul>
  </section>`;
}
