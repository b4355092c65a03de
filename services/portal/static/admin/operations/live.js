// What every page that looks again and again says of itself: since when, and that the last look failed.

import { formatTime } from '../../app/format.js';
import { t } from '../../app/i18n.js';
import { html } from '../../ui/html.js';
import { Stale } from '../../ui/stale.js';
import { ErrorState, Skeleton } from '../../ui/states.js';

/**
 * What stands in the place of `children` as long as there is no answer, and above them when they are old.
 * @param {{polled: import('../../app/polled.js').Polled, children: any}} properties
 */
export function Live({ polled, children }) {
  const { phase, error, stale, at, again } = polled;
  if (phase === 'loading') return html`<section class="card"><${Skeleton} lines=${6} /></section>`;
  if (phase === 'error') return html`<section class="card"><${ErrorState} error=${error} retry=${again} /></section>`;
  return html`
    ${stale && html`<${Stale} at=${at} error=${stale} retry=${again} />`}
    ${children}
  `;
}

/** When the answer came. @param {{polled: import('../../app/polled.js').Polled}} properties */
export function LiveSince({ polled: { at } }) {
  return at && html`<p class="quiet">${t('live.at', { time: formatTime(at.toISOString(), { seconds: true }) })}</p>`;
}
