// One field for a code: six digits of an authenticator app, or a recovery code.

import { el } from '../ui/dom.js';

/** The input. Spaces and hyphens are the reader's own business: the server takes codes with and without. */
export function codeInput() {
  const input = el('input', {
    name: 'code',
    class: 'code',
    required: true,
    maxlength: 64,
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  takeDigits(input);
  return input;
}

/** Take the code of an app. */
export function takeDigits(input) {
  input.setAttribute('inputmode', 'numeric');
  input.setAttribute('autocomplete', 'one-time-code');
  input.removeAttribute('placeholder');
}

/** Take a recovery code. */
export function takeRecovery(input) {
  input.setAttribute('inputmode', 'text');
  input.setAttribute('autocomplete', 'off');
  input.setAttribute('placeholder', 'xxxx-xxxx-xxxx-xxxx');
}
