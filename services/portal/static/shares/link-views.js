// What a link's page says before it is open, when it cannot be, and above what it opens.

import { ApiError, NetworkError } from '../app/api.js';
import { button, el, fill, icon } from '../ui/dom.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';

/** Asks for the link's password; `open(password)` throws ApiError or NetworkError when it does not open. */
export function linkPasswordView(open) {
  const error = el('p', { class: 'notice bad', role: 'alert', hidden: true });
  const password = el('input', {
    name: 'password',
    type: 'password',
    autocomplete: 'off',
    required: true,
    maxlength: 1024,
  });
  const submit = el('button', { type: 'submit', class: 'button primary wide', i18n: 'link.open' });

  async function onSubmit(event) {
    event.preventDefault();
    error.hidden = true;
    submit.disabled = true;
    try {
      await open(password.value);
    } catch (problem) {
      if (!(problem instanceof ApiError || problem instanceof NetworkError)) throw problem;
      error.hidden = false;
      fill(error, icon('alert'), el('span', {}, linkErrorText(problem)));
      password.select();
      password.focus();
    } finally {
      submit.disabled = false;
    }
  }

  const form = el(
    'form',
    // Only without script would the browser itself send this, and then not in an address.
    { class: 'card sign-in', method: 'post', on: { submit: onSubmit } },
    el('h1', { tabindex: -1, i18n: 'link.passwordHeading' }),
    el('p', { i18n: 'link.passwordText' }),
    error,
    el('label', { class: 'field' }, el('span', { i18n: 'link.password' }), password),
    submit,
  );
  return { element: form, title: () => t('link.passwordHeading'), focus: password };
}

/** Says why nothing can be seen here; `again()`, if given, tries once more. */
export function linkOverView(error, again) {
  const over = error instanceof ApiError && [401, 404].includes(error.status);
  const heading = over ? 'link.overHeading' : 'error.heading';
  return {
    element: el(
      'section',
      { class: 'card message' },
      el('h1', { tabindex: -1, i18n: heading }),
      el('p', { role: 'alert', i18n: ['format.text', { text: () => linkErrorText(error) }] }),
      !over && button('error.retry', 'retry', again, { class: 'button primary' }),
    ),
    title: () => t(heading),
  };
}

function linkErrorText(error) {
  const wait = error instanceof ApiError && error.status === 429 && error.problem.retry_after;
  if (wait) return t('link.wait', { count: wait });
  return error instanceof ApiError && error.status === 404 ? t('link.unknown') : errorText(error);
}

/** Above the list: until when it can be seen, and how to close it. */
export function linkNotice(opened, onClose) {
  const key = opened.download ? 'link.noticeDownload' : 'link.notice';
  return el(
    'section',
    { class: 'card link-notice', i18nLabel: 'link.heading' },
    el('p', { i18n: [key, { until: () => formatTime(opened.expires_at) }] }),
    button('link.close', 'close', onClose, { class: 'button small' }),
  );
}
