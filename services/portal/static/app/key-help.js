// The list of keys, behind `?`.

import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { t } from './i18n.js';

/** @param {{keys: [keys: string[], meaning: string][], onClose: () => void}} properties */
export function KeyHelp({ keys, onClose }) {
  const actions = html`<${Button} label=${t('dialog.close')} kind="primary" onClick=${onClose} />`;
  return html`<${Dialog} heading=${t('keys.heading')} onClose=${onClose} actions=${actions}>
    <dl class="key-list">
      ${keys.map(
        ([pressed, meaning]) =>
          html`<div>
            <dt>${pressed.map((key) => html`<kbd>${key}</kbd> `)}</dt>
            <dd>${meaning}</dd>
          </div>`,
      )}
    </dl>
  <//>`;
}
