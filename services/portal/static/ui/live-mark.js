// Whether what is shown follows what happens.

import { useEvent } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { html } from './html.js';

/** @param {{live: import('../app/live.js').LiveChanges}} properties */
export function LiveMark({ live }) {
  useEvent(live, 'status');
  return html`<span class="live-mark" data-status=${live.status}>${t(`live.${live.status}`)}</span>`;
}
