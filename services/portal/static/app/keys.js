// Keys that work everywhere. Single letters can be switched off (WCAG 2.1.4).

import { go } from './router.js';
import { pageAddress } from './addresses.js';

const STORED = 'dicom.shortcuts';
const TOGETHER = 1200; // milliseconds between the two keys of `g s`
const FIELDS = 'input:not([type="checkbox"]):not([type="radio"]), select, textarea, [contenteditable="true"]';
const TARGETS = 'a[href], button:not([disabled]), input:not([type="hidden"]), [tabindex="0"]';

/** Whether single keys act. */
export function shortcutsOn() {
  return localStorage.getItem(STORED) !== 'off';
}

/** Switch them on or off, also for later visits. */
export function setShortcuts(on) {
  if (on) localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, 'off');
}

/** @type {(() => [heading: string, keys: [keys: string[], meaning: string][]]) | null} */
let ofPage = null;

/** Keys of the page that is shown, for the list of keys. Returns how to take them back. */
export function setPageKeys(tell) {
  ofPage = tell;
  return () => {
    if (ofPage === tell) ofPage = null;
  };
}

/** What the page that is shown has told. */
export function pageKeys() {
  return ofPage === null ? [] : [ofPage()];
}

/** F6: on to the next region of the page, Shift+F6 to the one before. */
function walkRegions(backwards) {
  const regions = [...document.querySelectorAll('[data-region]')].filter(
    (region) => region.getClientRects().length > 0,
  );
  const here = regions.findLastIndex((region) => region.contains(document.activeElement));
  const next = regions[(here + (backwards ? -1 : 1) + regions.length) % regions.length];
  const inside = [...(next?.querySelectorAll(TARGETS) ?? [])].find((each) => each.getClientRects().length > 0);
  /** @type {HTMLElement | undefined} */ (next?.matches('main') ? next : inside)?.focus();
}

/**
 * Listen to the whole document. `pages`: path by the letter after `g`; `help()` opens the list of keys.
 * Returns how to stop.
 */
export function listenToKeys({ pages, help }) {
  let led = 0; // when `g` was pressed
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'F6') {
      event.preventDefault();
      walkRegions(event.shiftKey);
      return;
    }
    const target = /** @type {HTMLElement} */ (event.target);
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!plain || event.defaultPrevented || !shortcutsOn()) return;
    if (target.closest(FIELDS) || document.querySelector('dialog[open]')) return;
    const page = event.timeStamp - led < TOGETHER ? pages[event.key] : undefined;
    led = event.key === 'g' ? event.timeStamp : 0;
    if (page) go(pageAddress(page));
    else if (event.key === '?') help();
    else if (event.key === '/') {
      const field = [...document.querySelectorAll('input[data-search]')].findLast(
        (input) => input.getClientRects().length > 0,
      );
      if (!field) return;
      /** @type {HTMLInputElement} */ (field).select();
      /** @type {HTMLInputElement} */ (field).focus();
    } else return;
    event.preventDefault();
  };
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}
