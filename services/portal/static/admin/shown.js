// What nobody can show again: a link, a secret. It is copied, and gone when it is closed.

import { t } from '../app/i18n.js';
import { Button } from '../ui/button.js';
import { Copy } from '../ui/copy.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { textOr } from './engine.js';

/** @param {{text: string, heading: string, name: string, onClose: () => void}} properties `name`: of its sentence */
export function Shown({ text, heading, name, onClose }) {
  const buttons = html`
    <${Copy} text=${text} />
    <${Button} label=${t('dialog.close')} kind="primary" onClick=${onClose} />
  `;
  return html`<${Dialog} heading=${heading} onClose=${onClose} actions=${buttons}>
    <p>${textOr(`adminShown.${name}`, t('admin.shownOnce'))}</p>
    <p><output class="admin-secret" data-shown>${text}</output></p>
  <//>`;
}
