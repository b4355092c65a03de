// One's own password: asked for before anything else is open, or changed from the account.

import { t } from '../app/i18n.js';
import { changePassword } from '../app/session.js';
import { el } from '../ui/dom.js';
import { actionForm, labelled, passwordInput, whoseInput } from './forms.js';
import { differ, refusal } from './reset-password.js';

/** The form. `act(current, chosen)` changes it and goes on. */
export function changePasswordForm({ username, act, ...more }) {
  const current = passwordInput('current', 'current-password');
  const chosen = passwordInput('chosen', 'new-password');
  const again = passwordInput('again', 'new-password');
  return actionForm({
    ...more,
    submit: 'password.submit',
    working: 'password.working',
    fields: [
      whoseInput(username),
      labelled('password.current', current),
      labelled('password.chosen', chosen, 'password.hint'),
      labelled('password.again', again),
    ],
    check: () => differ(chosen, again),
    act: () => act(current.value, chosen.value),
    explain: (problem) =>
      problem.code === 'wrong-credentials' ? [() => t('password.wrong'), current] : refusal(problem, chosen),
  });
}

/** Takes the place of any view, like the sign-in. `onChanged()` follows a success. */
export function changePasswordView({ username, onChanged }) {
  const form = changePasswordForm({
    username,
    before: [el('h1', { tabindex: -1, i18n: 'password.heading' }), el('p', { i18n: 'password.why' })],
    act: async (current, chosen) => {
      await changePassword(current, chosen);
      onChanged();
    },
  });
  return { element: form.element, title: () => t('password.heading'), focus: form.focus };
}
