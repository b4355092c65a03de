// Asks before a share or a link ends, and names what it ends.

import { ApiError, foreseen, request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { useState } from '../vendor/hooks.mjs';

/** @param {{heading: string, text: string, action: string, path: string, onClose: () => void, onEnded: () => void}} properties */
export function EndDialog({ heading, text, action, path, onClose, onEnded }) {
  const [sending, setSending] = useState(false);
  const end = async () => {
    setSending(true);
    try {
      await request(path, { method: 'DELETE' });
      toast(t('shares.ended'));
    } catch (error) {
      if (!foreseen(error)) throw error;
      // It was over already: that is what was wanted.
      if (error instanceof ApiError && error.status === 404) toast(t('shares.ended'));
      else toast(errorText(error), 'bad');
    }
    onClose();
    onEnded();
  };
  const actions = html`<${Button} label=${t('share.cancel')} onClick=${onClose} />
    <${Button} label=${action} kind="primary" disabled=${sending} onClick=${end} />`;
  return html`<${Dialog} heading=${heading} onClose=${onClose} actions=${actions}><p>${text}</p><//>`;
}
