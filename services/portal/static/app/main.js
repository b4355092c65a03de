// Start: language, session, the parts that outlive a view, and the views by address.

import { ApiError, NetworkError, sessionEvents } from './api.js';
import { changePasswordView } from '../account/change-password.js';
import { watchConnection } from './connection.js';
import { errorView, notFoundView } from '../ui/error-view.js';
import { homeView } from '../results/home.js';
import { preferredLanguage, useLanguage } from './i18n.js';
import { byLink } from './link-mode.js';
import { startLink } from '../shares/link-page.js';
import { LiveChanges } from './live.js';
import { PageHeader } from './page-header.js';
import { resultView } from '../results/result.js';
import { Router } from './router.js';
import { currentUser, followOtherTabs, forget, resume, signOut } from './session.js';
import { signInView } from '../account/sign-in.js';
import { UploadPanel } from '../upload/panel.js';
import { UploadQueue } from '../upload/queue.js';
import { sendFile } from '../upload/request.js';

let ended = false; // whether the reader had a session before being asked to sign in
let work = null; // what belongs to the signed-in reader: {user, live, uploads}

// Made when this page is the one that starts: they listen to the whole document.
let router = null;
let header = null;

function gate() {
  const user = currentUser();
  if (user === null) return () => signInView({ ended, onSignedIn: enter });
  return (
    user.must_change_password &&
    (() => changePasswordView({ username: user.username, onChanged: enter }))
  );
}

function begin(user) {
  const queue = new UploadQueue(sendFile);
  const live = new LiveChanges(() => !queue.busy);
  live.addEventListener('change', (/** @type {CustomEventInit} */ { detail }) => queue.learn(detail.file_id, detail.state));
  work = { user, live, uploads: { queue, panel: new UploadPanel(queue) } };
}

/** Show the place the address names, for whoever is signed in; or ask who it is. */
function enter() {
  const user = currentUser();
  if (work !== null && work.user.user_id !== user.user_id) end();
  if (work === null && !user.must_change_password) begin(user);
  header.showUser(user);
  router.show();
}

function end() {
  work?.uploads.queue.cancelAll();
  work?.live.stop();
  work = null;
}

function askWho(sessionEnded) {
  ended = sessionEnded;
  forget();
  header.showUser(null);
  work?.live.stop(); // uploads stay: the same reader goes on with them after signing in again
  router.show();
}

async function leave() {
  try {
    await signOut();
  } catch (error) {
    if (error instanceof NetworkError) return header.showProblem(error);
    if (!(error instanceof ApiError)) throw error; // the session was over already
  }
  end();
  window.history.replaceState(null, '', '/');
  return askWho(false);
}

async function start() {
  header = new PageHeader({ onSignOut: leave });
  router = new Router(
    document.getElementById('main'),
    [
      [/^\/$/, (_, signal) => homeView(work, signal)],
      [/^\/results\/([^/]+)$/, ([fileId], signal) => resultView(work, fileId, signal, () => router.renamed())],
    ],
    () => notFoundView(),
    // Sign-in takes the place of every view and leaves the address alone; so does a password that must change.
    gate,
  );
  await useLanguage(preferredLanguage());
  watchConnection();
  followOtherTabs();
  sessionEvents.addEventListener('ended', () => currentUser() !== null && askWho(true));
  window.addEventListener('beforeunload', (event) => {
    if (work?.uploads.queue.summary().active > 0) event.preventDefault(); // the browser asks in its own words
  });
  await open();
}

async function open() {
  try {
    if (await resume()) enter();
    else askWho(false);
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
    router.present(() => errorView(error, open));
  }
}

if (byLink) startLink();
else start();
