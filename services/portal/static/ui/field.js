// A labelled field with what is wrong with it below.

import { html } from './html.js';

/** `more` goes to the `<input>`. */
export function Field({ label, error = '', hint = '', name, ...more }) {
  const below = error || hint;
  const id = `${name}-hint`;
  return html`<label class="field">
    <span>${label}</span>
    <input
      name=${name}
      aria-invalid=${error ? 'true' : undefined}
      aria-describedby=${below ? id : undefined}
      ...${more}
    />
    ${below && html`<span id=${id} class=${error ? 'field-error' : 'quiet'}>${below}</span>`}
  </label>`;
}
