// Asked before signing out while files are still on their way.

import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

/** @param {{state: import('../app/state.js').AppState, onClose: () => void}} properties */
export function LeaveDialog({ state, onClose }) {
  const leave = () => {
    onClose();
    state.leave();
  };
  const actions = html`
    <${Button} label=${t('leave.discard')} onClick=${leave} />
    <${Button} label=${t('leave.stay')} kind="primary" autofocus onClick=${onClose} />
  `;
  return html`<${Dialog}
    heading=${t('leave.heading', { count: state.uploading })}
    onClose=${onClose}
    actions=${actions}
  >
    <p>${t('leave.text')}</p>
  <//>`;
}
