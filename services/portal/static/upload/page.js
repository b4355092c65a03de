// The page where files are sent, and told what came of them.

import { useTexts } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { setTitle } from '../app/title.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { Intake } from './intake.js';
import { Report } from './report.js';
import { Status } from './status.js';
import { useQueue } from './use-uploads.js';

linkSheet(new URL('./upload.css', import.meta.url));

export function View({ work: { uploads, user } }) {
  useTexts();
  useQueue(uploads.queue);
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useEffect(() => setTitle(() => t('upload.heading')), []);
  useLayoutEffect(() => heading.current.focus(), []);
  const { ledger } = uploads.queue;
  return html`<div class="upload-page">
    <div class="page-head">
      <h1 tabindex="-1" ref=${heading}>${t('upload.heading')}</h1>
    </div>
    <${Left} remains=${uploads.remains} />
    <${Intake} uploads=${uploads} user=${user} />
    ${ledger.total > 0 &&
    html`<section class="card" aria-label=${t('tray.heading')}><${Status} uploads=${uploads} /></section>`}
    <${Report} uploads=${uploads} />
  </div>`;
}

/** What the last upload left unsent. @param {{remains: import('./remains.js').Remains}} properties */
function Left({ remains }) {
  const [, render] = useState(0);
  if (remains.left === 0) return null;
  const forget = () => {
    remains.forget();
    render(1);
  };
  return html`<div class="notice upload-left">
    <p>${t('upload.left', { count: remains.left })}</p>
    <${Button} label=${t('upload.forget')} icon="close" small onClick=${forget} />
  </div>`;
}
