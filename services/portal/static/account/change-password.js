// Asks for a new password before anything else is open. Takes the place of any view, like the sign-in.

import { ApiError, NetworkError } from '../app/api.js';
import { el, fill, icon } from '../ui/dom.js';
import { setText, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { changePassword } from '../app/session.js';

/** `onChanged()` follows a success. */
export function changePasswordView({ username, onChanged }) {
  const error = el('p', { class: 'notice bad', role: 'alert', hidden: true });
  const field = (name, autocomplete) =>
    el('input', { name, type: 'password', autocomplete, required: true, maxlength: 1024 });
  const current = field('current', 'current-password');
  const chosen = field('chosen', 'new-password');
  const again = field('again', 'new-password');
  const submit = el('button', { type: 'submit', class: 'button primary wide', i18n: 'password.submit' });

  async function onSubmit(event) {
    event.preventDefault();
    error.hidden = true;
    if (chosen.value !== again.value) return showText(t('password.differ'), again);
    submit.disabled = true;
    setText(submit, 'password.working');
    try {
      await changePassword(current.value, chosen.value);
    } catch (problem) {
      if (!(problem instanceof ApiError || problem instanceof NetworkError)) throw problem;
      return showProblem(problem);
    } finally {
      submit.disabled = false;
      setText(submit, 'password.submit');
    }
    return onChanged();
  }

  function showProblem(problem) {
    if (problem.code === 'wrong-credentials') return showText(t('password.wrong'), current);
    if (problem.status === 400) return showText(t('password.refused'), chosen);
    return showText(errorText(problem), current);
  }

  function showText(text, input) {
    error.hidden = false;
    fill(error, icon('alert'), el('span', {}, text));
    input.select();
    input.focus();
  }

  const labelled = (key, input) => el('label', { class: 'field' }, el('span', { i18n: key }), input);
  const form = el(
    'form',
    { class: 'card sign-in', method: 'post', on: { submit: onSubmit } },
    el('h1', { tabindex: -1, i18n: 'password.heading' }),
    el('p', { i18n: 'password.why' }),
    error,
    // For password managers: whose it is.
    el('input', { name: 'username', autocomplete: 'username', value: username, hidden: true }),
    labelled('password.current', current),
    labelled('password.chosen', chosen),
    labelled('password.again', again),
    submit,
  );
  return { element: form, title: () => t('password.heading'), focus: current };
}
