// On or off, at once.

import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./switch.css', import.meta.url));

/** Without `onChange` it is a field of its form. @param {{label: string, name?: string, checked?: boolean, hint?: string, onChange?: (on: boolean) => void}} properties */
export function Switch({ label, name, checked, hint = '', onChange }) {
  const given = onChange && { checked, onChange: (event) => onChange(event.currentTarget.checked) };
  const id = hint && `${name}-switch-hint`;
  return html`<div class="switch">
    <label>
      <input type="checkbox" role="switch" name=${name} aria-describedby=${id || undefined} ...${given} />
      <span>${label}</span>
    </label>
    ${hint && html`<span id=${id} class="quiet">${hint}</span>`}
  </div>`;
}
