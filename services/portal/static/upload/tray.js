// How far the uploads are, in the bar of every page.

import { t } from '../app/i18n.js';
import { pageAddress } from '../app/addresses.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';

const REDRAW = 250; // milliseconds

/** @param {{queue: import('./queue.js').UploadQueue}} properties */
export function UploadTray({ queue }) {
  const [summary, setSummary] = useState(queue.summary());
  useEffect(() => {
    let timer = 0;
    const soon = () => {
      timer ||= setTimeout(() => {
        timer = 0;
        setSummary(queue.summary());
      }, REDRAW);
    };
    const types = ['add', 'change', 'remove', 'idle'];
    for (const type of types) queue.addEventListener(type, soon);
    soon();
    return () => {
      clearTimeout(timer);
      for (const type of types) queue.removeEventListener(type, soon);
    };
  }, [queue]);

  const { total, active, problems, sent, bytes } = summary;
  if (active === 0 && problems === 0) return null;
  const done = total - active;
  return html`<a class="upload-tray" href=${pageAddress('/upload')} data-route title=${t('tray.open')}>
    <${Icon} name=${active > 0 ? 'upload' : 'alert'} />
    ${active > 0
      ? html`<span class="visually-hidden">${t('tray.heading')}</span>
          <span>${t('tray.progress', { done, total })}</span>
          <progress max="1" value=${bytes ? sent / bytes : 0} aria-label=${t('tray.heading')}></progress>`
      : html`<span>${t('tray.problems', { count: problems })}</span>`}
  </a>`;
}
