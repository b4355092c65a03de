// The uploads over any page: how far they are and what came of them, in short.

import { pageAddress } from '../app/addresses.js';
import { t } from '../app/i18n.js';
import { LinkButton } from '../ui/button.js';
import { Drawer } from '../ui/drawer.js';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { Outcomes } from './report.js';
import { Status } from './status.js';
import { Studies } from './studies.js';
import { useQueue } from './use-uploads.js';

linkSheet(new URL('./upload.css', import.meta.url));

/** @param {{uploads: import('./uploads.js').Uploads, onClose: () => void}} properties */
export function UploadDrawer({ uploads, onClose }) {
  useQueue(uploads.queue);
  const { ledger } = uploads.queue;
  // A link inside leads to another page: the panel does not stay before it.
  const onClick = (event) => event.target.closest('a') && onClose();
  return html`<${Drawer} heading=${t('tray.heading')} onClose=${onClose}>
    <div class="upload-in-drawer" onClick=${onClick}>
      <${Status} uploads=${uploads} />
      <${Outcomes} ledger=${ledger} />
      <${Studies} ledger=${ledger} />
      <${LinkButton} href=${pageAddress('/upload')} label=${t('upload.toPage')} icon="upload" />
    </div>
  <//>`;
}
