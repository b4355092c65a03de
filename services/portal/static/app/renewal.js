// Renewing the session's cookie: once at a time in this tab, and one tab at a time.

import { root } from './root.js';

const LOCK = 'dicom.renewal';
const STAMP = 'dicom.renewed';

/** Thrown when no answer came: no network, or the server is gone. */
export class NetworkError extends Error {
  passing = true; // the same request may succeed later
}

let running = null;

/**
 * Renew the cookies. True: go on; false: the session is over. Throws NetworkError when nobody can tell.
 * Refresh tokens are used once, so two tabs must not spend the same one.
 */
export function renew() {
  running ??= exclusively(refresh).finally(() => {
    running = null;
  });
  return running;
}

function exclusively(work) {
  const asked = Date.now();
  // Web Locks exist on https and localhost only.
  return navigator.locks ? navigator.locks.request(LOCK, () => work(asked)) : work(asked);
}

async function refresh(asked) {
  if (Number(localStorage.getItem(STAMP)) > asked) return true; // another tab did it while this one waited
  let response;
  try {
    response = await fetch(`${root}/api/auth/refresh`, { method: 'POST' });
  } catch (error) {
    throw new NetworkError('refresh', { cause: error });
  }
  if (response.status >= 500 || response.status === 429)
    throw new NetworkError(`refresh: ${response.status}`);
  if (!response.ok) return false;
  localStorage.setItem(STAMP, String(Date.now()));
  return true;
}
