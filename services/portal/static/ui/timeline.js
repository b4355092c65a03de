// What happened one after the other, with how long each step took.

import { formatSeconds, formatTime } from '../app/format.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./timeline.css', import.meta.url));

/**
 * `seconds`: how long it took, null where nobody knows; `parts`: of what that consists.
 * @typedef {{key: string, icon: string, tone: string, label: string, at?: string | null, detail?: any, seconds?: number | null,
 *   parts?: {name: string, label: string, seconds: number}[]}} Step
 */

/** @param {{label: string, steps: Step[]}} properties */
export function Timeline({ label, steps }) {
  return html`<ol class="timeline" aria-label=${label}>
    ${steps.map(
      ({ key, icon, tone, label: what, at, detail, seconds, parts = [] }) =>
        html`<li key=${key} class=${`tone-${tone}`} data-step=${key}>
          <${Icon} name=${icon} />
          <div class="timeline-step">
            <span><strong>${what}</strong>${at && html` <time class="quiet" datetime=${at}>${formatTime(at, { seconds: true })}</time>`}</span>
            ${detail && html`<span class="quiet">${detail}</span>`}
            ${parts.length > 0 && html`<${Parts} parts=${parts} />`}
          </div>
          ${seconds !== null && seconds !== undefined && html`<span class="timeline-lasted">${formatSeconds(seconds)}</span>`}
        </li>`,
    )}
  </ol>`;
}

function Parts({ parts }) {
  const total = parts.reduce((sum, part) => sum + part.seconds, 0) || 1;
  return html`<div class="timeline-bar" aria-hidden="true">
      ${parts.map((part) => html`<span key=${part.name} data-part=${part.name} style=${{ flexGrow: part.seconds / total }}></span>`)}
    </div>
    <ul class="timeline-parts">
      ${parts.map((part) => html`<li key=${part.name} data-part=${part.name}>${part.label} ${formatSeconds(part.seconds)}</li>`)}
    </ul>`;
}
