// The sign-in view. It takes the place of any view without changing the address.

import { ApiError, NetworkError } from '../app/api.js';
import { el, fill, icon } from '../ui/dom.js';
import { setText, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { signIn } from '../app/session.js';

/** `onSignedIn()` follows a success; `ended` says why the reader is asked again. */
export function signInView({ ended = false, onSignedIn }) {
  const error = el('p', { class: 'notice bad', role: 'alert', hidden: true });
  const username = el('input', {
    name: 'username',
    autocomplete: 'username',
    required: true,
    maxlength: 150,
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  const password = el('input', {
    name: 'password',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
  });
  const submit = el('button', { type: 'submit', class: 'button primary wide', i18n: 'signIn.submit' });

  async function onSubmit(event) {
    event.preventDefault();
    error.hidden = true;
    submit.disabled = true;
    setText(submit, 'signIn.working');
    try {
      await signIn(username.value.trim(), password.value);
      onSignedIn();
    } catch (problem) {
      if (!(problem instanceof ApiError || problem instanceof NetworkError)) throw problem;
      showProblem(problem);
    } finally {
      submit.disabled = false;
      setText(submit, 'signIn.submit');
    }
  }

  function showProblem(problem) {
    const wrong = problem instanceof ApiError && [400, 401].includes(problem.status);
    error.hidden = false;
    fill(error, icon('alert'), el('span', {}, wrong ? t('signIn.wrong') : errorText(problem)));
    password.select();
    password.focus();
  }

  const form = el(
    'form',
    // Only without script would the browser itself send this, and then not in an address.
    { class: 'card sign-in', method: 'post', on: { submit: onSubmit } },
    el('h1', { tabindex: -1, i18n: 'signIn.heading' }),
    ended && el('p', { class: 'notice', i18n: 'signIn.ended' }),
    error,
    el('label', { class: 'field' }, el('span', { i18n: 'signIn.username' }), username),
    el('label', { class: 'field' }, el('span', { i18n: 'signIn.password' }), password),
    submit,
  );
  return { element: form, title: () => t('signIn.heading'), focus: username };
}
