// What one row says, in full, for resources without a form.

import { t } from '../app/i18n.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { ActionButtons } from './actions.js';
import { labelOf, nameOf } from './engine.js';

/**
 * @param {{descriptor: import('./engine.js').Descriptor, row: any, context: any, actions: any[], onDone: () => void,
 *   onClose: () => void}} properties
 */
export function Facts({ descriptor, row, context, actions, onDone, onClose }) {
  const facts = descriptor.facts
    ? descriptor.facts(row, context)
    : descriptor.columns.map((column) => /** @type {[string, any]} */ ([column.label ?? column.name, column.cell(row, context)]));
  const buttons = html`
    <${ActionButtons}
      descriptor=${descriptor}
      actions=${actions}
      row=${row}
      context=${context}
      onDone=${() => {
        onDone();
        onClose();
      }}
    />
    <${Button} label=${t('dialog.close')} kind="primary" onClick=${onClose} />
  `;
  return html`<${Dialog} heading=${`${nameOf(descriptor, 'single')}: ${descriptor.title(row)}`} onClose=${onClose} actions=${buttons}>
    <dl class="admin-facts">
      ${facts
        .filter(([, value]) => value !== null && value !== undefined && value !== '')
        .map(([name, value]) => html`<div key=${name}><dt>${labelOf({ name })}</dt><dd>${value}</dd></div>`)}
    </dl>
  <//>`;
}
