// The button that opens the dialog, for any page that shows something to share. The dialog comes when it is first opened.

import { NetworkError } from '../app/api.js';
import { loadAreas, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { useRef, useState } from '../vendor/hooks.mjs';

/** @typedef {import('./things.js').Thing} Thing */

/**
 * Nothing for readers who may share nothing. `things` may be asked for at the click: null where that is told already.
 * @param {{things: Thing[] | (() => Promise<Thing[] | null>), user: any, [more: string]: any}} properties
 */
export function ShareButton({ things, user, ...more }) {
  const [shown, setShown] = useState(/** @type {{Dialog: any, things: Thing[]} | null} */ (null));
  const opening = useRef(false);
  if (!user.permissions.includes('share_dicomfile')) return null;
  const open = async () => {
    if (opening.current) return;
    opening.current = true;
    try {
      const chosen = typeof things === 'function' ? await things() : things;
      const Dialog = chosen && (await dialog());
      if (Dialog) setShown({ Dialog, things: chosen });
    } finally {
      opening.current = false;
    }
  };
  return html`<${Button} label=${t('share.open')} icon="share" onClick=${open} ...${more} />
    ${shown && html`<${shown.Dialog} things=${shown.things} user=${user} onClose=${() => setShown(null)} />`}`;
}

async function dialog() {
  try {
    const [module] = await Promise.all([import('./share-dialog.js'), loadAreas(['shares'])]);
    return module.ShareDialog;
  } catch (error) {
    toast(errorText(new NetworkError('dialog', { cause: error })), 'bad');
    return null;
  }
}
