// Sign-in with a provider: a button for each.

import { pageAddress } from '../app/addresses.js';
import { foreseen, request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { addressed } from '../app/link-mode.js';
import { expectReturn } from '../app/session.js';
import { html } from '../ui/html.js';

/** How people sign in where the server cannot say. */
export const PASSWORDS = { providers: [], password_sign_in: true };

/** How people sign in here; a server that cannot say takes passwords. */
export async function waysIn(signal) {
  try {
    return await request('/api/auth/oidc', { renewing: false, signal });
  } catch (error) {
    if (!foreseen(error)) throw error;
    return PASSWORDS;
  }
}

// Back to where the reader is, which is no place of its own on the sign-in page.
function placeAfterwards() {
  const { pathname, search } = window.location;
  return pathname === pageAddress('/sign-in') ? pageAddress('/') : pathname + search;
}

/** @param {{ways: typeof PASSWORDS}} properties */
export function Providers({ ways }) {
  if (ways.providers.length === 0) return null;
  const href = (path) => `${addressed(path)}?next=${encodeURIComponent(placeAfterwards())}`;
  const leave = (path) => (event) => {
    event.currentTarget.setAttribute('href', href(path)); // the reader may have gone elsewhere since
    expectReturn();
  };
  return html`<div class="providers">
    ${ways.password_sign_in && html`<p class="providers-or quiet">${t('signIn.or')}</p>`}
    ${ways.providers.map(
      ({ name, title, sign_in_path: path }) =>
        html`<a key=${name} class="button wide" href=${href(path)} onClick=${leave(path)}>${t('signIn.with', { title })}</a>`,
    )}
  </div>`;
}
