// The providers that open one's account: linked ones, and those that can be.

import { pageAddress } from '../app/addresses.js';
import { ApiError, NetworkError, request } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { announce } from '../app/announce.js';
import { t } from '../app/i18n.js';
import { button, el, fill, icon, isolated } from '../ui/dom.js';
import { actionForm, labelled, passwordInput, problemSentence, whoseInput } from './forms.js';
import { waysIn } from './providers.js';
import { wrongPassword } from './second-factor.js';

const OWN = '/api/auth/me/identities';

/** The section of the account's page; it is away where there is no provider. */
export function identitiesSection(user, signal) {
  const heading = el('h2', { tabindex: -1, i18n: 'identity.heading' });
  const said = el('p', { class: 'notice bad', role: 'alert', hidden: true });
  const body = el('div', { class: 'account-body' });
  const section = el('section', { class: 'card account-section', id: 'identities', hidden: true }, heading, said, body);
  let providers = [];

  async function begin() {
    ({ providers } = await waysIn(signal));
    if (providers.length > 0) await load();
  }

  async function load() {
    const { identities } = await request(OWN, { signal });
    section.hidden = false;
    fill(
      body,
      identities.length > 0
        ? el('ul', { class: 'identities' }, identities.map(entry))
        : el('p', { i18n: 'identity.none' }),
      el(
        'div',
        { class: 'button-row start' },
        providers.map(({ name, title }) =>
          el(
            'button',
            { type: 'button', class: 'button', on: { click: () => askPassword(name) }, i18n: ['identity.link', { title }] },
          ),
        ),
      ),
    );
  }

  function entry({ id, issuer, subject, last_used_at: used }) {
    return el(
      'li',
      {},
      el(
        'div',
        {},
        isolated(new URL(issuer).host, { class: 'identity-issuer' }),
        isolated(subject, { class: 'quiet' }),
        used && el('p', { class: 'quiet', i18n: ['identity.used', { time: () => formatTime(used) }] }),
      ),
      button('identity.unlink', null, () => unlink(id), { class: 'button small' }),
    );
  }

  async function unlink(id) {
    await guarded(async () => {
      await request(`${OWN}/${encodeURIComponent(id)}`, { method: 'DELETE' });
      await load();
      announce(t('identity.unlinked'));
      heading.focus();
    });
  }

  async function guarded(act) {
    said.hidden = true;
    try {
      await act();
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      if (!(problem instanceof ApiError || problem instanceof NetworkError)) throw problem;
      section.hidden = false;
      said.hidden = false;
      const text = { i18n: ['format.text', { text: () => problemSentence(problem) }] };
      fill(said, icon('alert'), el('span', text));
    }
  }

  function askPassword(name) {
    const password = passwordInput('password', 'current-password');
    const cancel = () => guarded(load).then(() => heading.focus());
    const form = actionForm({
      class: 'account-form',
      submit: 'secondFactor.goOn',
      before: [el('p', { i18n: 'identity.linkText' })],
      fields: [whoseInput(user.username), labelled('password.current', password)],
      after: [button('accountPage.cancel', null, cancel, { class: 'button wide' })],
      explain: wrongPassword(password),
      act: async () => {
        const json = { password: password.value, next: pageAddress('/account') };
        const path = `/api/auth/oidc/${encodeURIComponent(name)}/link`;
        const { authorization_url: url } = await request(path, { method: 'POST', json });
        window.location.assign(url);
      },
    });
    fill(body, form.element);
    form.focus.focus();
  }

  guarded(begin);
  return section;
}
