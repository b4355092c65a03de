// The button that saves a study as an archive and, while that comes, how much of it has, and a way to stop.

import { formatBytes, formatPercent } from '../app/format.js';
import { t } from '../app/i18n.js';
import { IconButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Progress } from '../ui/progress.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { archiveAt, loadArchive, onArchives } from './archives.js';

export function ArchiveButton({ address, name }) {
  const [, setCount] = useState(0);
  useEffect(() => onArchives(() => setCount((count) => count + 1)), []);
  const coming = archiveAt(address);
  if (coming) {
    const part = coming.total > 0 ? Math.min(coming.received / coming.total, 1) : undefined;
    return html`<span class="archive" role="group" aria-label=${t('study.zipComing')}>
      <${Progress} value=${part} label=${t('study.zipComing')} />
      <span>${part === undefined ? t('study.zipBegins') : `${formatPercent(part)} · ${formatBytes(coming.received)}`}</span>
      <${IconButton} icon="close" label=${t('study.zipStop')} onClick=${coming.stop} />
    </span>`;
  }
  const begin = (/** @type {MouseEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser's own ways
    event.preventDefault();
    loadArchive(address, name);
  };
  return html`<a class="button" href=${address} download=${name} onClick=${begin}>
    <${Icon} name="download" /><span>${t('study.zip')}</span>
  </a>`;
}
