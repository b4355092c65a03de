// A file's state as a coloured word with an icon, so that colour is never the only sign.

import { t } from '../app/i18n.js';
import { html } from './html.js';
import { Icon } from './icon.js';

const MARKS = {
  received: ['clock', 'pending'],
  processed: ['check', 'good'],
  failed: ['alert', 'bad'],
  superseded: ['retry', 'quiet'],
};

/** @param {{state: string}} properties */
export function StateBadge({ state }) {
  const [icon, tone] = MARKS[state] ?? ['info', 'quiet'];
  return html`<span class=${`badge tone-${tone}`} data-state=${state}><${Icon} name=${icon} />${t(`state.${state}`)}</span>`;
}
