// A part of the account's page, and what stands in it while it is not there.

import { ErrorState, Skeleton } from '../ui/states.js';
import { html } from '../ui/html.js';

/** @param {{id: string, heading: string, focus?: any, children?: any}} properties `focus`: a ref of the heading */
export function Section({ id, heading, focus = null, children }) {
  return html`<section class="card account-section" id=${id} aria-labelledby=${`${id}-heading`}>
    <h2 id=${`${id}-heading`} tabindex="-1" ref=${focus}>${heading}</h2>
    ${children}
  </section>`;
}

/** For what `useLoaded` gives: a placeholder, or what is wrong; null once it is there. */
export function waiting({ data, error, reload }) {
  if (error !== null) return html`<${ErrorState} error=${error} retry=${reload} />`;
  return data === null ? html`<${Skeleton} lines=${2} />` : null;
}
