// How far the uploads are, in the bar of every page, with the way to all of it.

import { NetworkError } from '../app/api.js';
import { loadAreas, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Ring } from '../ui/ring.js';
import { useState } from '../vendor/hooks.mjs';
import { progressParts, share } from './status.js';
import { useQueue } from './use-uploads.js';

/** @param {{uploads: import('./uploads.js').Uploads}} properties */
export function UploadTray({ uploads }) {
  const { queue } = uploads;
  useQueue(queue);
  const [Drawer, setDrawer] = useState(/** @type {any} */ (null));
  const { ledger } = queue;
  const { problems } = ledger;
  const drawer = Drawer && html`<${Drawer} uploads=${uploads} onClose=${() => setDrawer(null)} />`;
  if (!queue.busy && problems === 0) return drawer;
  const open = async () => {
    try {
      const [{ UploadDrawer }] = await Promise.all([import('./drawer.js'), loadAreas(['upload'])]);
      setDrawer(() => UploadDrawer);
    } catch (error) {
      toast(errorText(new NetworkError('uploads', { cause: error })), 'bad');
    }
  };
  return html`<button type="button" class="upload-tray" title=${t('tray.open')} onClick=${open}>
      ${queue.busy
        ? html`<${OnTheWay} queue=${queue} />`
        : html`<${Icon} name="alert" /><span aria-hidden="true">${problems}</span>
            <span class="visually-hidden">${t('tray.problems', { count: problems })}</span>`}
    </button>
    ${drawer}`;
}

// Where the bar is short, the drawer tells how fast it goes.
function OnTheWay({ queue }) {
  const { ledger, holds } = queue;
  const label = t('tray.heading');
  if (ledger.active === 0)
    return html`<${Ring} label=${label} /><span>${t('tray.processing', { count: ledger.counts.processing })}</span>`;
  const [done, ...more] = progressParts(queue);
  return html`<${Ring} value=${share(queue)} label=${label} />
    ${holds.first !== null && html`<${Icon} name="pause" />`}
    <span>${done}</span>
    ${more.length > 0 && html`<span class="upload-tray-more"> · ${more.join(' · ')}</span>`}`;
}
