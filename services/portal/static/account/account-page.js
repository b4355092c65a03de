// One's own account: second factor, providers, password.

import { t } from '../app/i18n.js';
import { changePassword } from '../app/session.js';
import { el, fill, icon } from '../ui/dom.js';
import { changePasswordForm } from './change-password.js';
import { identitiesSection } from './identities.js';
import { returnedProblem } from './returned.js';
import { secondFactorSection } from './second-factor.js';

function problemNotice() {
  const text = returnedProblem();
  if (text === null) return null;
  return el(
    'p',
    { class: 'notice bad', role: 'alert' },
    icon('alert'),
    el('span', { i18n: ['format.text', { text }] }),
  );
}

function passwordSection(username) {
  const place = el('section', { class: 'card account-section' });
  function show(changed) {
    const said = el('p', { class: 'notice', role: 'status', i18n: 'accountPage.passwordChanged' });
    const form = changePasswordForm({
      username,
      class: 'account-form',
      act: async (current, chosen) => {
        await changePassword(current, chosen);
        show(true);
      },
    });
    fill(place, el('h2', { tabindex: -1, i18n: 'accountPage.password' }), changed && said, form.element);
    if (changed) /** @type {HTMLElement} */ (place.firstElementChild).focus();
  }
  show(false);
  return place;
}

/** The view of `/account`; `signal` fires when it is left. */
export function accountView(user, signal) {
  const element = el(
    'div',
    { class: 'account-page' },
    el('h1', { tabindex: -1, i18n: 'accountPage.heading' }),
    el('p', { class: 'quiet' }, el('bdi', {}, user.username)),
    problemNotice(),
    secondFactorSection(user, signal),
    identitiesSection(user, signal),
    passwordSection(user.username),
  );
  return { element, title: () => t('accountPage.heading') };
}
