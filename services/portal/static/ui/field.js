// A labelled field with what is wrong with it, or a hint, below.

import { html } from './html.js';

/**
 * `more` goes to the `<input>`; `kind: 'textarea'` makes it several lines.
 * @param {{label: string, name: string, error?: string, hint?: string, kind?: 'input' | 'textarea', [more: string]: any}} properties
 */
export function Field({ label, error = '', hint = '', name, kind = 'input', ...more }) {
  const below = error || hint;
  const id = `${name}-hint`;
  return html`<div class="field">
    <label class="field">
      <span>${label}</span>
      <${kind}
        name=${name}
        aria-invalid=${error ? 'true' : undefined}
        aria-describedby=${below ? id : undefined}
        ...${more}
      />
    </label>
    ${below && html`<span id=${id} class=${error ? 'field-error' : 'quiet'}>${below}</span>`}
  </div>`;
}
