// The page of a link, for people without an account: opened once by its token, then by this browser's cookie.

import { ApiError, NetworkError, request, sessionEvents } from '../app/api.js';
import { watchConnection } from '../app/connection.js';
import { errorView, notFoundView } from '../ui/error-view.js';
import { homeView } from '../results/home.js';
import { preferredLanguage, useLanguage } from '../app/i18n.js';
import { tokenInAddress, whoAddress } from '../app/link-mode.js';
import { linkNotice, linkOverView, linkPasswordView } from './link-views.js';
import { LiveChanges } from '../app/live.js';
import { PageHeader } from '../app/page-header.js';
import { resultView } from '../results/result.js';
import { Router } from '../app/router.js';

// Nothing is sent from here.
const NO_UPLOADS = { busy: false, learn() {} };

let work = null;
let router = null; // made when this page is the one that starts: it listens to the whole document

function show(opened) {
  const live = new LiveChanges(() => true);
  const permissions = opened.download ? ['view_dicomfile'] : [];
  const panel = { element: linkNotice(opened, close), acceptDrops() {} };
  work = { user: { permissions }, live, uploads: { queue: NO_UPLOADS, panel } };
  router.show();
}

/** Exchange the token: afterwards it is neither in the address bar nor in the history. */
async function open(token, password) {
  const json = password === undefined ? { token } : { token, password };
  const opened = await request(whoAddress, { method: 'POST', json, announcing: false });
  window.history.replaceState(null, '', '/s/');
  show(opened);
}

async function begin() {
  const token = tokenInAddress();
  try {
    if (token === null) show(await request(whoAddress, { announcing: false }));
    else await open(token);
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
    if (error instanceof ApiError && error.code === 'link-password-required') {
      router.present(() => linkPasswordView((password) => open(token, password)));
    } else router.present(() => linkOverView(error, begin));
  }
}

function end(error) {
  work?.live.stop();
  work = null;
  router.present(() => linkOverView(error));
}

async function close() {
  try {
    await request(whoAddress, { method: 'DELETE', announcing: false });
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
    router.present(() => errorView(error, close));
    return;
  }
  end(new ApiError(401, { code: 'link-session-over' }));
}

/** Start this page, in place of the portal of those who have an account. */
export async function startLink() {
  new PageHeader({ onSignOut: close });
  router = new Router(
    document.getElementById('main'),
    [
      [/^\/s\/$/, (_, signal) => homeView(work, signal)],
      [/^\/s\/results\/([^/]+)$/, ([id], signal) => resultView(work, id, signal, () => router.renamed())],
    ],
    () => notFoundView(),
    () => false,
  );
  await useLanguage(preferredLanguage());
  watchConnection();
  // It leads out of here, to another page.
  document.querySelector('.brand').removeAttribute('data-route');
  sessionEvents.addEventListener('ended', (/** @type {CustomEventInit} */ { detail }) => work !== null && end(detail));
  await begin();
}
