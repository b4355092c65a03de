// A panel that comes in from the side, over the page: the browser's own modal dialog, as Dialog is.

import { t } from '../app/i18n.js';
import { useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { IconButton } from './button.js';
import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./drawer.css', import.meta.url));

/** Open as long as it is rendered. `onClose()` when it is left in any way, also by a click beside it. */
export function Drawer({ heading, onClose, children }) {
  const drawer = useRef(/** @type {HTMLDialogElement} */ (null));
  useLayoutEffect(() => {
    const before = /** @type {HTMLElement} */ (document.activeElement);
    drawer.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  const onClick = (event) => event.target === drawer.current && onClose();
  return html`<dialog class="drawer" ref=${drawer} aria-labelledby="drawer-heading" onClose=${onClose} onClick=${onClick}>
    <div class="drawer-inside">
      <div class="drawer-head">
        <h2 id="drawer-heading">${heading}</h2>
        <${IconButton} label=${t('dialog.close')} icon="close" onClick=${onClose} />
      </div>
      ${children}
    </div>
  </dialog>`;
}
