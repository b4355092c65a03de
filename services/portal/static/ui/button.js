// Buttons, and links that look like them.

import { html } from './html.js';
import { Icon } from './icon.js';

/** @param {{label: string, icon?: string, kind?: string, small?: boolean, class?: string, [more: string]: any}} properties */
export function Button({ label, icon, kind = '', small = false, class: extra = '', ...more }) {
  const name = ['button', kind, small && 'small', extra].filter(Boolean).join(' ');
  return html`<button type="button" class=${name} ...${more}>
    ${icon && html`<${Icon} name=${icon} />`}<span>${label}</span>
  </button>`;
}

/** A button that shows its icon alone; `label` is what it is called. */
export function IconButton({ label, icon, class: extra = '', ...more }) {
  return html`<button type="button" class=${`icon-button ${extra}`} aria-label=${label} title=${label} ...${more}>
    <${Icon} name=${icon} />
  </button>`;
}

/** @param {{label: string, href: string, icon?: string, kind?: string, [more: string]: any}} properties */
export function LinkButton({ label, href, icon, kind = '', ...more }) {
  return html`<a class=${`button ${kind}`} href=${href} data-route ...${more}>
    ${icon && html`<${Icon} name=${icon} />`}<span>${label}</span>
  </a>`;
}
