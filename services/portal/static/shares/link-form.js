// A new link, and, once, what opens it.

import { request } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { ActionForm } from '../ui/action-form.js';
import { Button } from '../ui/button.js';
import { Copy } from '../ui/copy.js';
import { Field } from '../ui/field.js';
import { html } from '../ui/html.js';
import { Switch } from '../ui/switch.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { DEFAULT_DAYS, dayIn, secondsUntil } from './days.js';

/** @param {{thing: import('./things.js').Thing, user: any}} properties */
export function LinkForm({ thing, user }) {
  const [made, setMade] = useState(/** @type {any} */ (null));
  if (made !== null) return html`<${MadeLink} link=${made} onAgain=${() => setMade(null)} />`;
  const act = async ({ day, password, download, reason }) => {
    const terms = { seconds: secondsUntil(day), download: download === 'on', reason: reason.trim() || null };
    const json = { ...thing.item, ...terms, password: password || null };
    setMade(await request('/api/links', { method: 'POST', json }));
  };
  return html`<${ActionForm} class="share-form" kind="primary" submit=${t('share.makeLink')} act=${act}>
    <p class="quiet">${t('share.linkText')}</p>
    <${Field}
      name="day"
      type="date"
      required
      label=${t('share.until')}
      min=${dayIn(1)}
      defaultValue=${dayIn(DEFAULT_DAYS)}
    />
    <${Field}
      name="password"
      type="password"
      autocomplete="new-password"
      minlength="8"
      maxlength="1024"
      label=${t('share.password')}
      hint=${t('share.passwordHint')}
    />
    ${user.permissions.includes('view_dicomfile') && html`<${Switch} name="download" label=${t('share.download')} hint=${t('share.downloadHint')} />`}
    <${Field} name="reason" maxlength="500" label=${t('share.note')} hint=${t('share.noteHint')} />
  <//>`;
}

function MadeLink({ link, onAgain }) {
  const field = useRef(/** @type {HTMLInputElement} */ (null));
  useEffect(() => {
    field.current.focus();
    field.current.select();
  }, []);
  return html`<div class="share-form made-link">
    <p role="status">${t('share.made', { until: () => formatTime(link.expires_at) })}</p>
    <label class="field">
      <span>${t('share.address')}</span>
      <input readonly ref=${field} value=${link.url} spellcheck="false" />
    </label>
    ${link.password && html`<p>${t('share.passwordApart')}</p>`}
    <div class="button-row start">
      <${Copy} text=${link.url} />
      <${Button} label=${t('share.another')} small onClick=${onAgain} />
    </div>
  </div>`;
}
