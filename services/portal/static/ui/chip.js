// What is filtered by, one by one, each with the way to drop it.

import { t } from '../app/i18n.js';
import { html } from './html.js';
import { Icon } from './icon.js';

/** @param {{label: string, onRemove: () => void}} properties */
export function Chip({ label, onRemove }) {
  return html`<button type="button" class="chip" aria-label=${t('chip.remove', { label })} onClick=${onRemove}>
    <span>${label}</span><${Icon} name="close" />
  </button>`;
}
