// The files of one outcome, or all, below the folders that they lie in; of thousands, those in view stand in the page.

import { resultAddress } from '../app/addresses.js';
import { formatBytes } from '../app/format.js';
import { t } from '../app/i18n.js';
import { Button, LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { linkSheet } from '../ui/sheet.js';
import { drawnRows } from '../ui/window.js';
import { useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { detailText, statusText, TONES } from './item-texts.js';
import { outcomeOf, RETRYABLE } from './outcomes.js';

linkSheet(new URL('./files.css', import.meta.url));

const ROW = 60; // pixels, as the sheet says too
const NARROW = 128;

/** Rows: a folder's name, or a file. @param {import('./ledger.js').Ledger} ledger */
export function rowsOf(ledger, outcome) {
  const rows = [];
  for (const [folder, items] of ledger.folders) {
    const shown = outcome === '' ? items : items.filter((item) => outcomeOf(item) === outcome);
    if (shown.length === 0) continue;
    if (folder) rows.push({ key: `/${folder}`, folder, count: shown.length });
    for (const item of shown) rows.push({ key: item.id, item });
  }
  return rows;
}

/** @param {{queue: import('./queue.js').UploadQueue, outcome: string}} properties */
export function Files({ queue, outcome }) {
  const box = useRef(/** @type {HTMLDivElement} */ (null));
  const [view, setView] = useState({ top: 0, height: 600, rowHeight: ROW });
  const measure = () => {
    const rowHeight = window.matchMedia('(max-width: 47.99rem)').matches ? NARROW : ROW;
    setView({ top: box.current.scrollTop, height: box.current.clientHeight, rowHeight });
  };
  useLayoutEffect(() => {
    measure();
    window.addEventListener('resize', measure);
    return () => window.removeEventListener('resize', measure);
  }, []);
  useLayoutEffect(() => {
    box.current.scrollTop = 0;
  }, [outcome]);

  const rows = rowsOf(queue.ledger, outcome);
  const { rowHeight } = view;
  const [{ first, end }] = drawnRows({ count: rows.length, rowHeight, top: view.top, viewHeight: view.height });
  return html`<div class="upload-files" ref=${box} onScroll=${measure} role="region" aria-label=${t('upload.list')} tabindex="0">
    <ul class="uploads" role="list">
      <${Gap} height=${first * rowHeight} />
      ${rows.slice(first, end).map((row, offset) => {
        const place = { 'aria-setsize': rows.length, 'aria-posinset': first + offset + 1 };
        return row.item
          ? html`<${FileRow} key=${row.key} item=${row.item} queue=${queue} place=${place} />`
          : html`<li key=${row.key} class="upload-folder" ...${place}>
              <${Icon} name="folder" /><bdi class="clip">${row.folder}</bdi>
              <span class="quiet">${t('upload.files', { count: row.count })}</span>
            </li>`;
      })}
      <${Gap} height=${(rows.length - end) * rowHeight} />
    </ul>
  </div>`;
}

function Gap({ height }) {
  return height > 0 && html`<li class="upload-gap" role="presentation" style=${{ height: `${height}px` }}></li>`;
}

function FileRow({ item, queue, place }) {
  const [icon, tone] = TONES[item.phase];
  const detail = detailText(item);
  const { name } = item;
  const active = ['waiting', 'sending', 'checking'].includes(item.phase);
  const retryable = RETRYABLE.includes(outcomeOf(item));
  const act = (key, iconName, onClick) =>
    html`<${Button} label=${t(key)} icon=${iconName} small aria-label=${t(`${key}Named`, { name })} onClick=${onClick} />`;
  return html`<li class="upload" data-phase=${item.phase} ...${place}>
    <div class="upload-head">
      <bdi class="upload-name" title=${item.folder ? `${item.folder}/${name}` : name}>${name}</bdi>
      <span class="upload-size">${formatBytes(item.size)}</span>
    </div>
    <div class="upload-body">
      <span class=${`upload-status tone-${tone}`} title=${statusText(item)}><${Icon} name=${icon} /><span>${statusText(item)}</span></span>
      ${detail && html`<p class="upload-detail clip" lang="en" title=${detail}>${detail}</p>`}
    </div>
    <div class="upload-actions">
      ${active && act('upload.cancel', 'close', () => queue.cancel(item))}
      ${retryable && act('upload.retry', 'retry', () => queue.retry([item]))}
      ${item.entry &&
      html`<${LinkButton}
        href=${resultAddress(item.entry.id)}
        label=${t('upload.open')}
        kind="small"
        aria-label=${t('upload.openNamed', { name })}
      />`}
    </div>
  </li>`;
}
