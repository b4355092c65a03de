// The corner where toasts come up.

import { t } from '../app/i18n.js';
import { dismiss, onToasts } from '../app/toasts.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { IconButton } from './button.js';
import { html } from './html.js';
import { Icon } from './icon.js';

export function Toasts() {
  const [toasts, setToasts] = useState([]);
  useEffect(() => onToasts(setToasts), []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.map(
      ({ id, text, tone }) =>
        html`<div class=${`toast tone-${tone}`} key=${id}>
          <${Icon} name=${tone === 'bad' ? 'alert' : 'check'} />
          <p>${text}</p>
          <${IconButton} label=${t('toast.dismiss')} icon="close" onClick=${() => dismiss(id)} />
        </div>`,
    )}
  </div>`;
}
