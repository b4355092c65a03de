// Who is signed in. The tokens live in HttpOnly cookies; script knows only the answer of /me.

import { pageAddress } from './addresses.js';
import { ApiError, request, sessionEvents } from './api.js';
import { renew } from './renewal.js';

const HINT = 'dicom.user'; // user id of the last sign-in in this browser, shared by its tabs
const LEFT = /^dicom\.(list|viewer)\b/; // in this tab: names of what tells of patients
const RETURNING = 'dicom.returning'; // in this tab: the reader has gone to a provider

let user = null;

/** The answer of GET /api/auth/me, or null. */
export function currentUser() {
  return user;
}

/** Whether somebody has signed in with this browser, and not out. */
export function knownHere() {
  return localStorage.getItem(HINT) !== null;
}

/** Whether the reader comes back from a provider, to which this tab has gone; true once. */
export function takeReturn() {
  const gone = sessionStorage.getItem(RETURNING) !== null;
  sessionStorage.removeItem(RETURNING);
  return gone;
}

/** Find out whether a session is still there. A browser that never signed in is not asked for one. */
export async function resume() {
  // Whom a provider did not sign in comes back to the sign-in page.
  const returning = takeReturn() && window.location.pathname !== pageAddress('/sign-in');
  if (!knownHere() && !returning) return null;
  try {
    await learn();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    forget();
  }
  return user;
}

/** The reader goes to a provider, and comes back with a session or without one. */
export function expectReturn() {
  sessionStorage.setItem(RETURNING, 'yes');
}

async function learn(options = {}) {
  user = await request('/api/auth/me', options);
  localStorage.setItem(HINT, String(user.user_id));
}

/**
 * Sign in. Returns null, or the challenge of an account that is asked for more: {challenge_token, expires_in, methods}.
 * Throws ApiError (401: wrong name or password) or NetworkError.
 */
export async function signIn(username, password) {
  const answer = await request('/api/auth/login', {
    method: 'POST',
    json: { username, password, cookie: true },
    renewing: false,
  });
  if (answer.challenge_token) return answer;
  await learn({ renewing: false });
  return null;
}

/** The second step: returns the recovery codes of an authenticator that it has set up. */
export async function completeSignIn(challengeToken, code) {
  const answer = await request('/api/auth/login/second-factor', {
    method: 'POST',
    json: { challenge_token: challengeToken, code, cookie: true },
    renewing: false,
  });
  await learn({ renewing: false });
  return answer.recovery_codes ?? [];
}

/** The authenticator that a group demands: {secret, otpauth_uri, qr}. */
export function enrol(challengeToken) {
  const json = { challenge_token: challengeToken };
  return request('/api/auth/login/enrol', { method: 'POST', json, renewing: false });
}

/** Change what people say of themselves; pages learn of it. Throws ApiError or NetworkError. */
export async function changeProfile(change) {
  user = await request('/api/auth/me', { method: 'PATCH', json: change });
  sessionEvents.dispatchEvent(new CustomEvent('profile'));
}

/** Change one's own password; what it opens is known afterwards. Throws ApiError or NetworkError. */
export async function changePassword(current, chosen) {
  await request('/api/auth/me/password', {
    method: 'PUT',
    json: { current_password: current, new_password: chosen },
  });
  await renew(); // the token of before opens nothing but this
  user = await request('/api/auth/me');
  return user;
}

/** Sign out here and, through the hint, in this browser's other tabs. */
export async function signOut() {
  await request('/api/auth/logout', { method: 'POST', renewing: false });
  forget();
}

/** Forget what the reader has left in this tab: the last search, and what was looked at and measured. */
export function forgetTab() {
  for (const name of Object.keys(sessionStorage)) if (LEFT.test(name)) sessionStorage.removeItem(name);
}

/** Forget the reader without asking the server: the session is over. */
export function forget() {
  user = null;
  localStorage.removeItem(HINT);
}

/** Follow what other tabs do: a sign-out ends this tab's session, another person's sign-in is told (`other`). */
export function followOtherTabs() {
  window.addEventListener('storage', (event) => {
    if (event.key !== HINT || user === null) return;
    if (event.newValue === null) sessionEvents.dispatchEvent(new CustomEvent('ended'));
    else if (event.newValue !== String(user.user_id)) sessionEvents.dispatchEvent(new CustomEvent('other'));
  });
}
