// How far something is; without a value nobody knows.

import { html } from './html.js';

/** @param {{value?: number, label: string}} properties */
export function Progress({ value, label }) {
  return html`<progress max="1" value=${value} aria-label=${label}></progress>`;
}
