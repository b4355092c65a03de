// Another password by a link. Its token comes after the `#`, which no server and no log sees, and is taken away at once.

import { pageAddress } from '../app/addresses.js';
import { request } from '../app/api.js';
import { useTitle } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { ActionForm } from '../ui/action-form.js';
import { html } from '../ui/html.js';
import { useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { refusal } from './change-password.js';
import { ChosenPassword, differ } from './fields.js';
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

function AskAgain() {
  return html`<a href=${pageAddress(FORGOTTEN)} data-route>${t('reset.askAgain')}</a>`;
}

/** The page `/reset-password`. `onReset()` leads on to the sign-in. */
export function ResetPassword({ onReset }) {
  useTitle(() => t('reset.heading'));
  if (token === '') return html`<${Over} />`;
  const act = async ({ chosen }) => {
    const json = { token, password: chosen };
    await request('/api/auth/password/reset', { method: 'POST', json, renewing: false });
    token = '';
    onReset();
  };
  const before = html`<h1 tabindex="-1">${t('reset.heading')}</h1>
    <p>${t('reset.text')}</p>`;
  return html`<${ActionForm}
    submit=${t('password.submit')}
    working=${t('password.working')}
    before=${before}
    after=${html`<${AskAgain} />`}
    check=${differ}
    explain=${refusal}
    act=${act}
  >
    <${ChosenPassword} />
  <//>`;
}

function Over() {
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useLayoutEffect(() => heading.current.focus(), []);
  return html`<section class="card sign-in">
    <h1 tabindex="-1" ref=${heading}>${t('reset.heading')}</h1>
    <p role="alert">${t('problem.reset-link-over')}</p>
    <${AskAgain} />
  </section>`;
}
