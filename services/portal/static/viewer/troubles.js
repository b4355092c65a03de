// In place of an image that cannot be shown: why. The rest of the stack scrolls on.

import { foreseen } from '../app/api.js';
import { errorText, failureText, knowsFailure } from '../app/problems.js';
import { t } from '../app/i18n.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';

/** One sentence for what the loader throws. */
export function troubleText(error) {
  return foreseen(error) ? errorText(error) : t('viewer.broken');
}

/** `error`: what the loader was told for this image, or null; `drawn`: whether there is an image beside; `retry()` asks again. */
export function Failed({ info, error, drawn, retry }) {
  const reason = info.state === 'failed' ? (info.error?.code ?? 'unknown') : null;
  if (error === null && reason === null && info.state !== 'received') return null;
  if (error === null && info.state === 'received')
    return html`<p class="viewport-note waiting"><${Icon} name="clock" /><span>${t('viewer.waiting')}</span></p>`;
  const text = reason !== null ? failureText(reason) : troubleText(error);
  const detail = reason !== null && !knowsFailure(reason) ? info.error?.detail : '';
  return html`<div class=${error === null && drawn ? 'viewport-note' : 'viewport-note whole'}>
    <${Icon} name="alert" />
    <p><strong>${text}</strong>${detail && html` <span lang="en">${detail}</span>`}</p>
    ${error?.passing && html`<${Button} class="viewport-aside" small label=${t('error.retry')} icon="retry" onClick=${retry} />`}
  </div>`;
}
