// Sign-in with a provider: a button for each, and no password where the server takes none.

import { pageAddress } from '../app/addresses.js';
import { ApiError, NetworkError, request } from '../app/api.js';
import { addressed } from '../app/link-mode.js';
import { expectReturn } from '../app/session.js';
import { el } from '../ui/dom.js';

const NONE = { providers: [], password_sign_in: true };

/** How people sign in here; a server that cannot say takes passwords. */
export async function waysIn(signal) {
  try {
    return await request('/api/auth/oidc', { renewing: false, signal });
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
    return NONE;
  }
}

// Back to where the reader is, which is no place of its own on the sign-in page.
function placeAfterwards() {
  const { pathname, search } = window.location;
  return pathname === pageAddress('/sign-in') ? pageAddress('/') : pathname + search;
}

function providerLink({ title, sign_in_path: path }) {
  const href = () => `${addressed(path)}?next=${encodeURIComponent(placeAfterwards())}`;
  const link = el('a', { class: 'button wide', href: href(), i18n: ['signIn.with', { title }] });
  link.addEventListener('click', () => {
    link.setAttribute('href', href()); // the reader may have gone elsewhere since
    expectReturn();
  });
  return link;
}

/** Put the buttons below the form once the server has named the providers. */
export async function providerButtons(form) {
  const { providers, password_sign_in: byPassword } = await waysIn();
  if (!form.isConnected) return;
  const links = providers.map(providerLink);
  if (links.length > 0) {
    form.append(
      el(
        'div',
        { class: 'providers' },
        byPassword && el('p', { class: 'providers-or quiet', i18n: 'signIn.or' }),
        links,
      ),
    );
  }
  if (byPassword) return;
  const parts = form.querySelectorAll('.sign-in-password, .sign-in-forgotten, [type="submit"]');
  for (const part of parts) part.hidden = true;
  links[0]?.focus();
}
