// Keys for programs that act as the reader: made, told once, revoked.

import { foreseen, request } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { useLoaded } from '../app/use-loaded.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { useRef, useState } from '../vendor/hooks.mjs';
import { MadeKey, NewKey } from './new-key.js';
import { loadedOr, Section } from './section.js';

export const KEYS = '/api/auth/me/api-keys';

export function ApiKeys({ user }) {
  const loaded = useLoaded(KEYS);
  const [now, setNow] = useState(/** @type {{step: string, made?: any}} */ ({ step: 'list' }));
  const [revoking, setRevoking] = useState(/** @type {any} */ (null));
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  const finish = () => {
    setNow({ step: 'list' });
    heading.current.focus();
  };
  const onMade = (made) => {
    loaded.reload();
    setNow({ step: 'made', made });
  };
  const steps = {
    list: () =>
      html`${loadedOr(loaded, ({ api_keys: keys }) => html`<${List} keys=${keys} onRevoke=${setRevoking} />`)}
        <div class="button-row start">
          <${Button} label=${t('apiKeys.new')} onClick=${() => setNow({ step: 'new' })} />
        </div>`,
    new: () => html`<${NewKey} user=${user} onMade=${onMade} onCancel=${finish} />`,
    made: () => html`<${MadeKey} made=${now.made} onDone=${finish} />`,
  };
  return html`<${Section} id="api-keys" heading=${t('apiKeys.heading')} focus=${heading}>
    <p class="quiet">${t('apiKeys.text')}</p>
    <div class="account-body" key=${now.step}>${steps[now.step]()}</div>
    ${revoking &&
    html`<${Revoke} entry=${revoking} onClose=${() => setRevoking(null)} onRevoked=${loaded.reload} />`}
  <//>`;
}

function List({ keys, onRevoke }) {
  if (keys.length === 0) return html`<p>${t('apiKeys.none')}</p>`;
  return html`<ul class="account-list">
    ${keys.map(
      (entry) =>
        html`<li key=${entry.id}>
          <div>
            <bdi class="account-entry">${entry.name}</bdi> <code>${entry.prefix}…</code>
            <p class="quiet">
              ${[
                entry.permissions === null ? t('apiKeys.everything') : entry.permissions.join(', ') || t('apiKeys.nothing'),
                t('apiKeys.until', { time: () => formatTime(entry.expires_at) }),
                entry.last_used_at === null
                  ? t('apiKeys.neverUsed')
                  : t('apiKeys.used', { time: () => formatTime(entry.last_used_at) }),
              ].join(' · ')}
            </p>
          </div>
          <${Button} label=${t('apiKeys.revoke')} small onClick=${() => onRevoke(entry)} />
        </li>`,
    )}
  </ul>`;
}

function Revoke({ entry, onClose, onRevoked }) {
  const revoke = async () => {
    try {
      await request(`${KEYS}/${encodeURIComponent(entry.id)}`, { method: 'DELETE' });
      toast(t('apiKeys.revoked'));
    } catch (error) {
      if (!foreseen(error)) throw error;
      toast(errorText(error), 'bad');
    }
    onClose();
    onRevoked();
  };
  const actions = html`<${Button} label=${t('accountPage.cancel')} onClick=${onClose} />
    <${Button} label=${t('apiKeys.revoke')} kind="primary" onClick=${revoke} />`;
  return html`<${Dialog} heading=${t('apiKeys.revokeHeading')} onClose=${onClose} actions=${actions}>
    <p>${t('apiKeys.revokeText', { name: entry.name })}</p>
  <//>`;
}
