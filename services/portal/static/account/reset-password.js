// Another password by a link. Its token comes after the `#`, which no server and no log sees, and is taken away at once.

import { pageAddress } from '../app/addresses.js';
import { request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { problemDetail } from '../app/problems.js';
import { el } from '../ui/dom.js';
import { actionForm, labelled, passwordInput } from './forms.js';
import { FORGOTTEN } from './forgotten-password.js';

export const RESET = '/reset-password';

let token = '';

/** Take the token out of the address, before anything else runs, and out of this entry of the history. */
export function takeResetToken() {
  const { pathname, hash } = window.location;
  if (pathname !== pageAddress(RESET) || hash === '') return;
  token = hash.slice(1);
  window.history.replaceState(window.history.state, '', pathname);
}

/** The view of `/reset-password`. `onReset()` leads on to the sign-in. */
export function resetPasswordView({ onReset }) {
  const view = token === '' ? overCard() : form(onReset);
  return { ...view, title: () => t('reset.heading') };
}

function overCard() {
  return {
    element: el(
      'section',
      { class: 'card sign-in' },
      el('h1', { tabindex: -1, i18n: 'reset.heading' }),
      el('p', { role: 'alert', i18n: 'problem.reset-link-over' }),
      askAgain(),
    ),
  };
}

const askAgain = () => el('a', { href: pageAddress(FORGOTTEN), 'data-route': true, i18n: 'reset.askAgain' });

function form(onReset) {
  const chosen = passwordInput('chosen', 'new-password');
  const again = passwordInput('again', 'new-password');
  return actionForm({
    submit: 'password.submit',
    working: 'password.working',
    before: [el('h1', { tabindex: -1, i18n: 'reset.heading' }), el('p', { i18n: 'reset.text' })],
    fields: [labelled('password.chosen', chosen, 'password.hint'), labelled('password.again', again)],
    after: [askAgain()],
    check: () => differ(chosen, again),
    act: async () => {
      const json = { token, password: chosen.value };
      await request('/api/auth/password/reset', { method: 'POST', json, renewing: false });
      token = '';
      onReset();
    },
    explain: (problem) => refusal(problem, chosen),
  });
}

/** What is wrong with two new passwords. */
export function differ(chosen, again) {
  return chosen.value !== again.value && [() => t('password.differ'), again];
}

/** Why a new password is not good enough; the server's own sentence says more to readers of English. */
export function refusal(problem, chosen) {
  return problem.status === 400 && [() => problemDetail(problem) || t('password.refused'), chosen];
}
