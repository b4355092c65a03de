// Whole-page messages: nothing here, or nothing works.

import { listAddress } from '../app/addresses.js';
import { button, el } from './dom.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';

function messageView(key, ...content) {
  return {
    element: el('section', { class: 'card message' }, el('h1', { tabindex: -1, i18n: key }), ...content),
    title: () => t(key),
  };
}

/** No view at this address. */
export function notFoundView() {
  return messageView(
    'notFound.heading',
    el('p', { i18n: 'notFound.text' }),
    el('a', { class: 'button primary', href: listAddress(), 'data-route': true, i18n: 'notFound.back' }),
  );
}

/** The server does not answer; `again()` tries once more. */
export function errorView(error, again) {
  return messageView(
    'error.heading',
    el('p', { role: 'alert' }, errorText(error)),
    button('error.retry', 'retry', again, { class: 'button primary' }),
  );
}
