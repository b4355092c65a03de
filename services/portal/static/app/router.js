// The address bar decides the page. What a page keeps for the way back to it hangs on its entry of the history.

import { root } from './root.js';

const KEPT = 20; // entries of the history whose pages are remembered

/** @typedef {{path: string, query: string, key: string, back: boolean}} Place */

/** @type {Map<string, Record<string, any>>} */
const kept = new Map();
const listeners = new Set();
/** @type {Place} */
let place = read(false);

function read(back) {
  const { pathname, search } = window.location;
  const key = window.history.state?.key ?? 'first';
  return { path: pathname.slice(root.length) || '/', query: search, key, back };
}

function arrive(back) {
  place = read(back);
  for (const listener of listeners) listener(place);
}

function leave() {
  keep(place.key).scroll = window.scrollY;
}

/** @type {((goOn: () => void) => boolean) | null} */
let guard = null;

/**
 * Before the page is left, `ask(goOn)` says whether to wait; it calls `goOn` when it may be left after all.
 * Returns how to stop asking.
 */
export function guardLeaving(ask) {
  guard = ask;
  return () => {
    if (guard === ask) guard = null;
  };
}

function waits(goOn) {
  const free = () => {
    guard = null;
    goOn();
  };
  return guard !== null && guard(free);
}

/** Where the reader is. `back`: by the browser's own buttons, so that the page should look as it was left. */
export function currentPlace() {
  return place;
}

/** Call `listener(place)` after each change; returns how to stop it. */
export function onPlace(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What the page of one entry of the history keeps for those who come back to it. */
export function keep(key = place.key) {
  const found = kept.get(key) ?? {};
  kept.delete(key);
  kept.set(key, found);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return found;
}

/**
 * Go to an address of this portal (with its root). `replace`: in place of where the reader is; `asking: false` where there
 * is nothing left to lose.
 */
export function go(address, { replace = false, asking = true } = {}) {
  if (!asking) guard = null;
  if (waits(() => go(address, { replace }))) return;
  leave();
  const state = { key: replace ? place.key : `${Date.now()}.${Math.random()}` };
  if (replace) window.history.replaceState(state, '', address);
  else window.history.pushState(state, '', address);
  arrive(false);
}

/** Name another address for the page that is shown: it stays as it is. */
export function rename(address) {
  window.history.replaceState({ key: place.key }, '', address);
  place = { ...place, query: window.location.search, path: window.location.pathname.slice(root.length) };
}

function onClick(event) {
  const link = event.target.closest?.('a[data-route]');
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

/** Follow links with `data-route` and the browser's buttons. */
export function startRouter() {
  window.history.scrollRestoration = 'manual';
  document.addEventListener('click', onClick);
  window.addEventListener('popstate', () => {
    // The browser has gone already: put the page's own address back on top, one step from where it went.
    const stay = () => window.history.pushState({ key: place.key }, '', root + place.path + place.query);
    if (waits(() => window.history.back())) {
      stay();
      return;
    }
    leave();
    arrive(true);
  });
}
