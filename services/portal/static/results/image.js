// The picture of a result and the histogram of its values. On request the picture is drawn from its values, and the
// histogram shows its window: whatever moves one of them moves the other.

import { NetworkError } from '../app/api.js';
import { loadAreas, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { Button } from '../ui/button.js';
import { Histogram } from '../ui/histogram.js';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { Picture } from '../ui/thumbnail.js';
import { useState } from '../vendor/hooks.mjs';

linkSheet(new URL('./image.css', import.meta.url));

/**
 * What the drawn picture tells: the histogram in the values of its window, and the window; both null where it has none.
 * @typedef {{histogram: any, window: import('../ui/window-band.js').Window, same: boolean}} Over `same`: as stored
 */

export function Image({ result }) {
  const [Drawn, setDrawn] = useState(/** @type {any} */ (null)); // of the viewer, once it is asked for
  const [over, setOver] = useState(/** @type {Over | null} */ (null));
  const histogram = over?.histogram ?? result.statistics?.histogram;
  return html`
    <figure class="card image-card">
      ${Drawn === null ? html`<${Preview} result=${result} onDraw=${(Component) => setDrawn(() => Component)} />` : html`<${Drawn} result=${result} instead=${html`<${Rendered} result=${result} />`} onWindow=${setOver} />`}
    </figure>
    ${histogram && html`<${Histogram} id="histogram" heading=${headingOf(over)} histogram=${histogram} window=${over?.window} />`}
  `;
}

/** @param {Over | null} over */
function headingOf(over) {
  if (over === null || over.same) return t('histogram.heading');
  return over.window.unit ? t('histogram.headingIn', { unit: over.window.unit }) : t('histogram.headingModality');
}

function Preview({ result, onDraw }) {
  const open = async () => {
    try {
      const [module] = await Promise.all([import('../viewer/result-window.js'), loadAreas(['viewer'])]);
      onDraw(module.ResultWindow);
    } catch (error) {
      toast(errorText(new NetworkError('viewer', { cause: error })), 'bad');
    }
  };
  return html`<${Rendered} result=${result} />
    ${result.thumbnail && hasWindow(result) && html`<${Button} small class="adjust" label=${t('result.adjust')} icon="contrast" onClick=${open} />`}`;
}

/** As the server draws it. */
function Rendered({ result }) {
  const { statistics, thumbnail } = result;
  const missing = html`<p class="no-image">${t(result.state === 'received' ? 'result.imageWaiting' : 'result.noImage')}</p>`;
  const why = statistics?.thumbnail_missing;
  return html`<${Picture}
      file=${thumbnail ? result.file_id : null}
      pixels=${[256]}
      alt=${t('result.imageAlt', { name: result.file_name })}
      class="preview"
      loading="eager"
      instead=${missing}
    />
    ${thumbnail ? html`<figcaption class="quiet">${t('result.imageCaption')}</figcaption>` : why && html`<figcaption class="quiet" lang="en">${why}</figcaption>`}`;
}

/** Whether there is anything to adjust: colours have no window. */
function hasWindow({ series_instance_uid: series, statistics, raw_data: dataset }) {
  const [photometric] = dataset?.['00280004']?.Value ?? [];
  return Boolean(series && statistics?.histogram) && /^MONOCHROME/.test(photometric ?? 'MONOCHROME2');
}
