// Asked before files that are still on their way are dropped.

import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

/**
 * `text`: what happens to them, and why it is asked.
 * @param {{count: number, text: string, onStay: () => void, onLeave: () => void}} properties
 */
export function LeaveDialog({ count, text, onStay, onLeave }) {
  const actions = html`
    <${Button} label=${t('leave.discard')} onClick=${onLeave} />
    <${Button} label=${t('leave.stay')} kind="primary" autofocus onClick=${onStay} />
  `;
  return html`<${Dialog} heading=${t('leave.heading', { count })} onClose=${onStay} actions=${actions}>
    <p>${text}</p>
  <//>`;
}
