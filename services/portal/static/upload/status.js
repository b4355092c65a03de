// How far the uploads are, what holds them up, and what can be done about it.

import { currentLanguage, t } from '../app/i18n.js';
import { problemText } from '../app/problems.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Progress } from '../ui/progress.js';
import { clock } from './speed.js';

/** `128/377`, `12 MB/s`, `00:18`, as far as it is known. @param {import('./queue.js').UploadQueue} queue */
export function progressParts({ ledger, holds, speed }) {
  const { rate } = speed;
  const going = holds.first === null && rate > 0;
  return [
    t('tray.progress', { done: ledger.total - ledger.active, total: ledger.total }),
    going && formatRate(rate),
    going && clock((ledger.bytes - ledger.sent) / rate),
  ].filter(Boolean);
}

/** What part of all bytes has gone out. @param {import('./queue.js').UploadQueue} queue */
export function share({ ledger }) {
  return ledger.bytes > 0 ? ledger.sent / ledger.bytes : 0;
}

function formatRate(rate) {
  const [value, unit] = rate >= 1e6 ? [rate / 1e6, 'megabyte-per-second'] : [rate / 1e3, 'kilobyte-per-second'];
  const digits = value < 10 ? 1 : 0;
  return new Intl.NumberFormat(currentLanguage(), { style: 'unit', unit, maximumFractionDigits: digits }).format(value);
}

/** Why nothing is sent at the moment, in a sentence. @param {import('./holds.js').Hold} hold */
function holdText({ why, code, until }) {
  if (why !== 'server') return t(`hold.${why}`);
  const time = new Intl.DateTimeFormat(currentLanguage(), { timeStyle: 'medium' }).format(until);
  return t('hold.server', { reason: problemText(code), time });
}

/** @param {{uploads: import('./uploads.js').Uploads}} properties */
export function Status({ uploads: { queue } }) {
  const { ledger, holds } = queue;
  const hold = ledger.active > 0 ? holds.first : null;
  if (ledger.total === 0) return null;
  const ended = ledger.active === 0;
  const after = ledger.counts.processing > 0 ? 'upload.sentAll' : 'upload.overAll';
  return html`<div class="upload-status-box">
    <p class="upload-overall">${ended ? t(after, { count: ledger.total }) : progressParts(queue).join(' · ')}</p>
    ${!ended && html`<${Progress} value=${share(queue)} label=${t('tray.heading')} />`}
    ${hold !== null &&
    html`<p class="notice upload-hold" data-why=${hold.why}>
      <${Icon} name=${hold.why === 'reader' ? 'pause' : 'alert'} /><span>${holdText(hold)}</span>
    </p>`}
    <div class="button-row" hidden=${ended}>
      ${hold === null
        ? html`<${Button} label=${t('upload.pause')} icon="pause" small onClick=${() => queue.pause()} />`
        : hold.why !== 'session' &&
          html`<${Button}
            label=${t(hold.why === 'reader' ? 'upload.resume' : 'upload.tryNow')}
            icon=${hold.why === 'reader' ? 'upload' : 'retry'}
            small
            onClick=${() => queue.resume()}
          />`}
      <${Button} label=${t('upload.cancelAll')} icon="close" small onClick=${() => queue.cancelAll()} />
    </div>
  </div>`;
}
