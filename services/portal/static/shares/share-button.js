// The button that opens the dialog, for any page that shows something to share. The dialog comes when it is first opened.

import { NetworkError } from '../app/api.js';
import { loadAreas, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { useState } from '../vendor/hooks.mjs';

/** Nothing for readers who may share nothing. @param {{things: import('./things.js').Thing[], user: any, [more: string]: any}} properties */
export function ShareButton({ things, user, ...more }) {
  const [Shown, setShown] = useState(/** @type {any} */ (null));
  if (!user.permissions.includes('share_dicomfile')) return null;
  const open = async () => {
    try {
      const [module] = await Promise.all([import('./share-dialog.js'), loadAreas(['shares'])]);
      setShown(() => module.ShareDialog);
    } catch (error) {
      toast(errorText(new NetworkError('dialog', { cause: error })), 'bad');
    }
  };
  return html`<${Button} label=${t('share.open')} icon="share" onClick=${open} ...${more} />
    ${Shown && html`<${Shown} things=${things} user=${user} onClose=${() => setShown(null)} />`}`;
}
