// That what is shown could not be looked at again, and how old it is.

import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { Button } from './button.js';
import { html } from './html.js';
import { Icon } from './icon.js';

/** @param {{at: Date, error: any, retry: () => void}} properties */
export function Stale({ at, error, retry }) {
  return html`<div class="notice bad" role="status">
    <${Icon} name="alert" />
    <div><p>${t('live.stale', { time: formatTime(at.toISOString(), { seconds: true }) })} ${errorText(error)}</p></div>
    <${Button} label=${t('error.retry')} icon="retry" small onClick=${retry} />
  </div>`;
}
