// How far something is, as a ring; without a value nobody knows.

import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./ring.css', import.meta.url));

/** @param {{value?: number, label: string}} properties `value` from 0 to 1 */
export function Ring({ value, label }) {
  const percent = value === undefined ? undefined : Math.floor(value * 100);
  return html`<span
    class="ring"
    role="progressbar"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${percent}
  >
    <svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <circle class="ring-track" cx="12" cy="12" r="9" />
      <circle class="ring-value" cx="12" cy="12" r="9" pathLength="100" stroke-dasharray=${`${percent ?? 25} 100`} />
    </svg>
  </span>`;
}
