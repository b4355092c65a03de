// Start: language and theme, then the portal of whoever opens it.

import { render } from '../vendor/preact.mjs';
import { html } from '../ui/html.js';
import { ChangePassword } from '../account/change-password.js';
import { ForgottenPassword } from '../account/forgotten-password.js';
import { ResetPassword, takeResetToken } from '../account/reset-password.js';
import { takeReturnedChallenge } from '../account/returned.js';
import { SignIn } from '../account/sign-in.js';
import { SearchBox } from '../studies/search-box.js';
import { LeaveDialog } from '../upload/leave-dialog.js';
import { UploadTray } from '../upload/tray.js';
import { Uploads } from '../upload/uploads.js';
import { App } from './app.js';
import { preferredLanguage, useLanguage } from './i18n.js';
import { byLink } from './link-mode.js';
import { routeOf } from './page.js';
import { currentPlace, startRouter } from './router.js';
import { ROUTES } from './routes.js';
import { knownHere } from './session.js';
import { AppState } from './state.js';
import { useTheme } from './theme.js';

/** Have what the first page needs on its way while the server is asked who reads it; returns its areas of texts. */
function prepareFirstPage() {
  const { path } = currentPlace();
  const found = routeOf(ROUTES, path === '/' ? '/studies' : path);
  if (byLink || found === null || !knownHere()) return [];
  found.route.load().catch(() => null); // the page itself asks again, and says what is wrong
  return found.route.areas;
}

async function start() {
  takeResetToken();
  takeReturnedChallenge();
  useTheme();
  startRouter();
  const place = document.getElementById('app');
  const more = [...(byLink ? ['shares'] : ['account']), ...prepareFirstPage()];
  await useLanguage(preferredLanguage(), { more });
  place.replaceChildren();
  if (byLink) {
    const { LinkApp } = await import('../shares/link-page.js');
    render(html`<${LinkApp} />`, place);
    return;
  }
  const state = new AppState((user) => new Uploads(user));
  await state.open();
  render(html`<${App} state=${state} views=${VIEWS} />`, place);
}

const VIEWS = {
  SearchBox,
  SignIn,
  ForgottenPassword,
  ResetPassword,
  ChangePassword,
  UploadTray,
  LeaveDialog,
};

start().catch((error) => {
  // Without sentences: none could be had.
  const told = document.createElement('p');
  told.className = 'card';
  told.textContent = 'El portal no se ha podido cargar: vuelva a cargar la página. The portal could not be loaded: reload the page.';
  document.getElementById('app').replaceChildren(told);
  throw error;
});
