// Where files come in: pickers, drops and the clipboard, and the collection that they go to.

import { announce } from '../app/announce.js';
import { t } from '../app/i18n.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { CollectionChoice } from './collections.js';
import { carriesFiles, entriesOf, picked, walked } from './walk.js';

/** @param {{uploads: import('./uploads.js').Uploads, user: any}} properties */
export function Intake({ uploads, user }) {
  const [over, setOver] = useState(false);
  const [notice, setNotice] = useState('');
  const [reading, setReading] = useState(0);
  const files = useRef(/** @type {HTMLInputElement} */ (null));
  const folder = useRef(/** @type {HTMLInputElement} */ (null));

  const take = async (portions) => {
    setNotice('');
    setReading((count) => count + 1);
    const found = await uploads.take(portions);
    setReading((count) => count - 1);
    const text =
      found.unreadable > 0
        ? t('upload.unreadable', { count: found.unreadable })
        : found.files === 0
          ? t('upload.nothingDropped')
          : '';
    setNotice(text);
    if (text) announce(text);
  };
  useTransfers(setOver, (transfer) => take(walked(entriesOf(transfer))));
  // Of the field itself: the page may have been left, or drawn anew, while the picker was open.
  const choose = ({ currentTarget: input }) => {
    const chosen = [...input.files];
    input.value = ''; // so that the same file can be chosen again
    if (chosen.length > 0) take(picked(chosen));
  };

  return html`<section class="card" aria-labelledby="intake-heading">
    <h2 id="intake-heading" class="visually-hidden">${t('upload.choose')}</h2>
    <div class=${`drop-zone ${over ? 'over' : ''}`} aria-busy=${reading > 0 ? 'true' : undefined}>
      <${Icon} name="upload" large />
      <p class="drop-hint">${t('upload.drop')}</p>
      <div class="button-row">
        <${Button} label=${t('upload.chooseFiles')} icon="file" kind="primary" onClick=${() => files.current.click()} />
        <${Button} label=${t('upload.chooseFolder')} icon="folder" onClick=${() => folder.current.click()} />
      </div>
      <p class="quiet">${t(reading > 0 ? 'upload.reading' : 'upload.hint')}</p>
      <input type="file" multiple hidden id="choose-files" ref=${files} onChange=${choose} />
      <input
        type="file"
        webkitdirectory
        hidden
        id="choose-folder"
        ref=${folder}
        onChange=${choose}
      />
    </div>
    ${notice && html`<p class="notice">${notice}</p>`}
    <div class="upload-collection"><${CollectionChoice} uploads=${uploads} user=${user} /></div>
  </section>`;
}

/** Drops anywhere on the page, and pasted files outside of fields. `mark(whether a drag is over the page)`. */
function useTransfers(mark, onTransfer) {
  const latest = useRef(onTransfer);
  latest.current = onTransfer;
  useEffect(() => {
    const leaving = new AbortController();
    let depth = 0;
    const enter = (change) => {
      depth = Math.max(depth + change, 0);
      mark(depth > 0);
    };
    const listen = (type, work) =>
      window.addEventListener(type, (event) => carriesFiles(event.dataTransfer) && work(event), {
        signal: leaving.signal,
      });
    listen('dragenter', () => enter(1));
    listen('dragleave', () => enter(-1));
    listen('dragover', (event) => event.preventDefault());
    listen('drop', (event) => {
      event.preventDefault();
      enter(-depth);
      latest.current(event.dataTransfer);
    });
    const paste = (event) => {
      if (!carriesFiles(event.clipboardData) || event.target.closest?.('input, textarea')) return;
      event.preventDefault();
      latest.current(event.clipboardData);
    };
    window.addEventListener('paste', paste, { signal: leaving.signal });
    return () => leaving.abort();
  }, []);
}
