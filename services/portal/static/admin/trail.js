// The way back up, above the heading of every page of the administration.

import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { adminAddress, nameOf } from './engine.js';

/** @param {{descriptor?: import('./engine.js').Descriptor | null}} properties `descriptor`: of the list above an object */
export function Trail({ descriptor = null }) {
  const [href, label] = descriptor ? [adminAddress(descriptor.name), nameOf(descriptor)] : [adminAddress(), t('admin.home')];
  return html`<a class="back" href=${href} data-route><${Icon} name="back" /><span>${label}</span></a>`;
}
