// How a visit to a provider ended, as the address says it: once, and in this portal's own words only.

import { pageAddress } from '../app/addresses.js';
import { hasText } from '../app/i18n.js';
import { problemText } from '../app/problems.js';
import { rename } from '../app/router.js';
import { takeReturn } from '../app/session.js';

const REFUSED = 'sign-in-refused';
const LONGEST = 3600; // seconds; whatever an address says

let challenge = null;

/** The sentence of `?problem=<code>`, as a function for any language; null for none. Anybody can write an address. */
export function returnedProblem() {
  const { pathname, search } = window.location;
  const code = new URLSearchParams(search).get('problem');
  if (code === null) return null;
  window.history.replaceState(window.history.state, '', pathname);
  const known = code !== 'unknown' && hasText(`problem.${code}`);
  return () => problemText(known ? code : REFUSED);
}

/**
 * Take what `/sign-in?next=<page>#challenge_token=…` brings out of the address, before anything else runs.
 *
 * It counts only where this tab has gone to a provider: somebody else's address would sign the reader in as them.
 */
export function takeReturnedChallenge() {
  const { pathname, search, hash } = window.location;
  if (pathname !== pageAddress('/sign-in') || hash === '') return;
  const told = new URLSearchParams(hash.slice(1));
  const token = told.get('challenge_token');
  const seconds = Number(told.get('expires_in'));
  const counts = takeReturn() && token && seconds > 0;
  if (counts) {
    const methods = (told.get('methods') ?? '').split(',');
    challenge = { challenge_token: token, expires_in: Math.min(seconds, LONGEST), methods };
  }
  const next = new URLSearchParams(search).get('next');
  rename(counts && isPage(next) ? next : pathname);
}

/** What is missing of the sign-in that a provider began: {challenge_token, expires_in, methods}, once; or null. */
export function returnedChallenge() {
  const taken = challenge;
  challenge = null;
  return taken;
}

// A path of this portal; `//host` and `/\host` are none.
function isPage(address) {
  return /^\/(?![/\\])/.test(address ?? '') && new URL(address, window.location.origin).origin === window.location.origin;
}
