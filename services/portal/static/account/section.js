// A part of the account's page, and what stands in it while it is not there.

import { html } from '../ui/html.js';
import { Stale } from '../ui/stale.js';
import { ErrorState, Skeleton } from '../ui/states.js';

/** @param {{id: string, heading: string, focus?: any, children?: any}} properties `focus`: a ref of the heading */
export function Section({ id, heading, focus = null, children }) {
  return html`<section class="card account-section" id=${id} aria-labelledby=${`${id}-heading`}>
    <h2 id=${`${id}-heading`} tabindex="-1" ref=${focus}>${heading}</h2>
    ${children}
  </section>`;
}

/** For what `useLoaded` gives: a placeholder, what is wrong, or what `content(data)` makes of it, and that it may be old. */
export function loadedOr({ data, error, at, stale, reload }, content) {
  if (error !== null) return html`<${ErrorState} error=${error} retry=${reload} />`;
  if (data === null) return html`<${Skeleton} lines=${2} />`;
  return html`${stale !== null && html`<${Stale} at=${at} error=${stale} retry=${reload} />`}${content(data)}`;
}
