// From page to page of a long list: which part is shown, of how many, and the ways on and back.

import { t } from '../app/i18n.js';
import { LinkButton } from './button.js';
import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./pager.css', import.meta.url));

/**
 * `from`: number of the first row shown, or null where nobody knows; `first`, `previous`, `next`: addresses or null.
 * @param {{label: string, from: number | null, count: number, total: number | null, first: string | null,
 *   previous: string | null, next: string | null}} properties
 */
export function Pager({ label, from, count, total, first, previous, next }) {
  const end = from === null ? null : from + count - 1;
  const known = end !== null && count > 0;
  const text =
    total === null
      ? t(known ? 'pager.range' : 'pager.some', { from, end, count })
      : t(known ? 'pager.rangeOf' : 'pager.of', { from, end, total, count: total });
  const links = [
    ['pager.first', 'first', first],
    ['pager.previous', 'back', previous],
    ['pager.next', 'chevron', next],
  ].filter(([, , href]) => href !== null);
  return html`<nav class="pager" aria-label=${label}>
    <p class="quiet">${text}</p>
    <div class="button-row">
      ${links.map(([key, icon, href]) => html`<${LinkButton} key=${key} label=${t(key)} icon=${icon} href=${href} kind="small" />`)}
    </div>
  </nav>`;
}
