// Objects without pixels: reports as text, documents as PDF, for others the way to their header.

import { resultAddress } from '../app/addresses.js';
import { fetched, foreseen } from '../app/api.js';
import { t } from '../app/i18n.js';
import { addressed } from '../app/link-mode.js';
import { LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

const documentOf = (info) => `/api/results/${encodeURIComponent(info.file_id)}/document`;

export function WithoutPixels({ info }) {
  const way = html`<${LinkButton} href=${resultAddress(info.file_id)} label=${t('viewer.header')} icon="file" />`;
  return html`<div class="without-pixels viewport-aside">
    ${info.kind === 'report' && html`<${Report} info=${info} />`}
    ${info.kind === 'pdf' &&
    html`<${Icon} name="file" large />
      <p>${t('viewer.pdf')}</p>
      <a class="button primary" href=${addressed(documentOf(info))} target="_blank" rel="noopener"><${Icon} name="file" /><span>${t('viewer.openPdf')}</span></a>`}
    ${!['report', 'pdf'].includes(info.kind) && html`<${Icon} name="info" large /><p>${t(info.kind === 'video' ? 'viewer.video' : 'viewer.noPixels')}</p>`}
    <div class="button-row">${way}</div>
  </div>`;
}

function Report({ info }) {
  const [shown, setShown] = useState(/** @type {{text: string | null, error: any}} */ ({ text: null, error: null }));
  const [again, setAgain] = useState(0);
  useEffect(() => {
    const leaving = new AbortController();
    const options = { signal: leaving.signal, headers: { Accept: 'text/plain' } };
    fetched(documentOf(info), options)
      .then((response) => response.text())
      .then(
        (text) => setShown({ text, error: null }),
        (error) => {
          if (error.name === 'AbortError') return;
          if (!foreseen(error)) throw error;
          setShown({ text: null, error });
        },
      );
    return () => leaving.abort();
  }, [info.file_id, again]);
  if (shown.error !== null) return html`<${ErrorState} error=${shown.error} retry=${() => setAgain(again + 1)} />`;
  if (shown.text === null) return html`<${Skeleton} />`;
  return html`<pre class="report" tabindex="0" role="region" aria-label=${t('viewer.report')}>${shown.text}</pre>`;
}
