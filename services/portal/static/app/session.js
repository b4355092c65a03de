// Who is signed in. The tokens live in HttpOnly cookies; script knows only the answer of /me.

import { ApiError, request, sessionEvents } from './api.js';
import { renew } from './renewal.js';

const HINT = 'dicom.user'; // user id of the last sign-in in this browser, shared by its tabs

let user = null;

/** The answer of GET /api/auth/me, or null. */
export function currentUser() {
  return user;
}

/** Find out whether a session is still there. A browser that never signed in is not asked for one. */
export async function resume() {
  if (localStorage.getItem(HINT) === null) return null;
  try {
    user = await request('/api/auth/me');
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    forget();
  }
  return user;
}

/** Sign in. Throws ApiError (401: wrong name or password) or NetworkError. */
export async function signIn(username, password) {
  await request('/api/auth/login', {
    method: 'POST',
    json: { username, password, cookie: true },
    renewing: false,
  });
  user = await request('/api/auth/me', { renewing: false });
  localStorage.setItem(HINT, String(user.user_id));
  return user;
}

/** Change one's own password; what it opens is known afterwards. Throws ApiError or NetworkError. */
export async function changePassword(current, chosen) {
  await request('/api/auth/me/password', {
    method: 'PUT',
    json: { current_password: current, new_password: chosen },
    renewing: false,
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

/** Forget the reader without asking the server: the session is over. */
export function forget() {
  user = null;
  localStorage.removeItem(HINT);
}

/** Follow what other tabs do: a sign-out ends this tab's session, another person's sign-in starts it afresh. */
export function followOtherTabs() {
  window.addEventListener('storage', (event) => {
    if (event.key !== HINT || user === null) return;
    if (event.newValue === null) sessionEvents.dispatchEvent(new CustomEvent('ended'));
    else if (event.newValue !== String(user.user_id)) window.location.reload();
  });
}
