// The list of keys, behind `?`.

import { Button, LinkButton } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { pageAddress } from './addresses.js';
import { t } from './i18n.js';
import { pageKeys } from './keys.js';

/** @typedef {[keys: string[], meaning: string]} Key */

/** What works in every list, and where something is drawn. @returns {[heading: string, keys: Key[]][]} */
function elsewhere() {
  return [
    [
      t('keys.inLists'),
      [
        [['↓'], t('keys.toRows')],
        [['↑', '↓'], t('keys.rows')],
        [[t('keys.home'), t('keys.end')], t('keys.ends')],
        [[t('keys.enter')], t('keys.open')],
        [['v'], t('keys.viewer')],
        [[t('keys.space')], t('keys.select')],
        [[t('keys.shift'), '↑', '↓'], t('keys.range')],
        [['Ctrl', 'A'], t('keys.all')],
      ],
    ],
    [t('keys.inCharts'), [[['←', '→'], t('keys.values')]]],
  ];
}

/** `keys`: those of every page. @param {{keys: Key[], onClose: () => void}} properties */
export function KeyHelp({ keys, onClose }) {
  const actions = html`
    <${LinkButton} label=${t('nav.help')} icon="help" href=${pageAddress('/help')} onClick=${onClose} />
    <${Button} label=${t('dialog.close')} kind="primary" onClick=${onClose} />
  `;
  return html`<${Dialog} heading=${t('keys.heading')} onClose=${onClose} actions=${actions}>
    ${pageKeys().map(Part)}
    <${Keys} of=${keys} />
    ${elsewhere().map(Part)}
  <//>`;
}

function Part([heading, of]) {
  return html`<h3 class="key-heading">${heading}</h3>
    <${Keys} of=${of} />`;
}

function Keys({ of }) {
  return html`<dl class="key-list">
    ${of.map(
      ([pressed, meaning]) =>
        html`<div>
          <dt>${pressed.map((key) => html`<kbd>${key}</kbd> `)}</dt>
          <dd>${meaning}</dd>
        </div>`,
    )}
  </dl>`;
}
