// The browser's own modal dialog: it keeps the focus inside, and Escape closes it.

import { useId, useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./dialog.css', import.meta.url));

/** Open as long as it is rendered. `onClose()` when it is left in any way. */
export function Dialog({ heading, onClose, children, actions }) {
  const id = useId();
  const dialog = useRef(/** @type {HTMLDialogElement} */ (null));
  useLayoutEffect(() => {
    const before = /** @type {HTMLElement} */ (document.activeElement);
    dialog.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  return html`<dialog class="dialog" ref=${dialog} aria-labelledby=${id} onClose=${onClose}>
    <h2 id=${id}>${heading}</h2>
    <div class="dialog-body">${children}</div>
    <div class="dialog-actions">${actions}</div>
  </dialog>`;
}
