// A forgotten password: asking for a link, whose answer never tells who has an account.

import { pageAddress } from '../app/addresses.js';
import { request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { el } from '../ui/dom.js';
import { actionForm, labelled } from './forms.js';

export const FORGOTTEN = '/forgotten-password';

const toSignIn = (key) => el('a', { href: pageAddress('/'), 'data-route': true, i18n: key });

/** The view of `/forgotten-password`. */
export function forgottenPasswordView() {
  const name = el('input', {
    name: 'username',
    autocomplete: 'username',
    required: true,
    maxlength: 254,
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  const place = el('div');
  const form = actionForm({
    submit: 'forgotten.submit',
    before: [el('h1', { tabindex: -1, i18n: 'forgotten.heading' }), el('p', { i18n: 'forgotten.text' })],
    fields: [labelled('forgotten.name', name)],
    after: [toSignIn('forgotten.back')],
    act: async () => {
      const json = { username: name.value.trim() };
      await request('/api/auth/password/forgotten', { method: 'POST', json, renewing: false });
      const heading = el('h1', { tabindex: -1, i18n: 'forgotten.sentHeading' });
      place.replaceChildren(
        el(
          'section',
          { class: 'card sign-in' },
          heading,
          el('p', { role: 'status', i18n: 'forgotten.sent' }),
          el('p', { class: 'quiet', i18n: 'forgotten.nothing' }),
          toSignIn('forgotten.back'),
        ),
      );
      heading.focus();
    },
  });
  place.append(form.element);
  return { element: place, title: () => t('forgotten.heading'), focus: form.focus };
}
