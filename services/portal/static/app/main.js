// Start: language and theme, then the portal of whoever opens it.

import { render } from '../vendor/preact.mjs';
import { html } from '../ui/html.js';
import { changePasswordView } from '../account/change-password.js';
import { forgottenPasswordView } from '../account/forgotten-password.js';
import { resetPasswordView, takeResetToken } from '../account/reset-password.js';
import { takeReturnedChallenge } from '../account/returned.js';
import { signInView } from '../account/sign-in.js';
import { SearchBox } from '../studies/search-box.js';
import { LeaveDialog } from '../upload/leave-dialog.js';
import { UploadPanel } from '../upload/panel.js';
import { UploadQueue } from '../upload/queue.js';
import { sendFile } from '../upload/request.js';
import { UploadTray } from '../upload/tray.js';
import { App } from './app.js';
import { preferredLanguage, useLanguage } from './i18n.js';
import { byLink } from './link-mode.js';
import { startRouter } from './router.js';
import { AppState } from './state.js';
import { useTheme } from './theme.js';

function makeUploads() {
  const queue = new UploadQueue(sendFile);
  return { queue, panel: new UploadPanel(queue) };
}

async function start() {
  takeResetToken();
  takeReturnedChallenge();
  useTheme();
  startRouter();
  const place = document.getElementById('app');
  await useLanguage(preferredLanguage(), { more: byLink ? ['shares', 'results'] : ['account'] });
  place.replaceChildren();
  if (byLink) {
    const { LinkApp } = await import('../shares/link-page.js');
    render(html`<${LinkApp} />`, place);
    return;
  }
  const state = new AppState(makeUploads);
  await state.open();
  render(html`<${App} state=${state} views=${VIEWS} />`, place);
}

const VIEWS = {
  SearchBox,
  signInView,
  forgottenPasswordView,
  resetPasswordView,
  changePasswordView,
  UploadTray,
  LeaveDialog,
};

start();
