// A forgotten password: asking for a link, whose answer never tells who has an account.

import { pageAddress } from '../app/addresses.js';
import { request } from '../app/api.js';
import { useTitle } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { ActionForm } from '../ui/action-form.js';
import { Field } from '../ui/field.js';
import { html } from '../ui/html.js';
import { useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';

export const FORGOTTEN = '/forgotten-password';

function ToSignIn() {
  return html`<a href=${pageAddress('/')} data-route>${t('forgotten.back')}</a>`;
}

/** The page `/forgotten-password`. */
export function ForgottenPassword() {
  useTitle(() => t('forgotten.heading'));
  const [sent, setSent] = useState(false);
  if (sent) return html`<${Sent} />`;
  const act = async ({ username }) => {
    const json = { username: username.trim() };
    await request('/api/auth/password/forgotten', { method: 'POST', json, renewing: false });
    setSent(true);
  };
  const before = html`<h1 tabindex="-1">${t('forgotten.heading')}</h1>
    <p>${t('forgotten.text')}</p>`;
  return html`<${ActionForm} submit=${t('forgotten.submit')} before=${before} after=${html`<${ToSignIn} />`} act=${act}>
    <${Field}
      name="username"
      label=${t('forgotten.name')}
      autocomplete="username"
      required
      maxlength="254"
      autocapitalize="none"
      spellcheck="false"
    />
  <//>`;
}

function Sent() {
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useLayoutEffect(() => heading.current.focus(), []);
  return html`<section class="card sign-in">
    <h1 tabindex="-1" ref=${heading}>${t('forgotten.sentHeading')}</h1>
    <p role="status">${t('forgotten.sent')}</p>
    <p class="quiet">${t('forgotten.nothing')}</p>
    <${ToSignIn} />
  </section>`;
}
