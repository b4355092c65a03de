// A new API key, and, once, the key itself.

import { request } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { ActionForm } from '../ui/action-form.js';
import { Button } from '../ui/button.js';
import { Copy } from '../ui/copy.js';
import { Field } from '../ui/field.js';
import { html } from '../ui/html.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';

const DAYS = 90;

export function NewKey({ user, onMade, onCancel }) {
  const [some, setSome] = useState(false);
  const [chosen, setChosen] = useState(/** @type {string[]} */ ([]));
  const act = async ({ name, days }) => {
    const json = { name: name.trim(), days: Number(days), permissions: some ? chosen : null };
    onMade(await request('/api/auth/me/api-keys', { method: 'POST', json }));
  };
  const turn = (permission) => (event) =>
    setChosen(event.currentTarget.checked ? [...chosen, permission] : chosen.filter((other) => other !== permission));
  return html`<${ActionForm}
    class="account-form"
    submit=${t('apiKeys.make')}
    after=${html`<${Button} label=${t('accountPage.cancel')} class="wide" onClick=${onCancel} />`}
    check=${() => some && chosen.length === 0 && [() => t('apiKeys.chooseSome')]}
    act=${act}
  >
    <${Field} name="name" label=${t('apiKeys.name')} hint=${t('apiKeys.nameHint')} required maxlength="100" />
    <${Field} name="days" type="number" label=${t('apiKeys.days')} min="1" max="366" required defaultValue=${DAYS} />
    <fieldset class="choices">
      <legend>${t('apiKeys.may')}</legend>
      ${[false, true].map(
        (value) =>
          html`<label class="check">
            <input type="radio" name="may" checked=${some === value} onChange=${() => setSome(value)} />
            <span>${t(value ? 'apiKeys.some' : 'apiKeys.all')}</span>
          </label>`,
      )}
    </fieldset>
    ${some &&
    html`<fieldset class="choices permissions">
      <legend>${t('apiKeys.permissions')}</legend>
      ${user.permissions.map(
        (permission) =>
          html`<label class="check" key=${permission}>
            <input type="checkbox" checked=${chosen.includes(permission)} onChange=${turn(permission)} />
            <code>${permission}</code>
          </label>`,
      )}
    </fieldset>`}
  <//>`;
}

export function MadeKey({ made, onDone }) {
  const field = useRef(/** @type {HTMLInputElement} */ (null));
  useEffect(() => {
    field.current.focus();
    field.current.select();
  }, []);
  return html`<div class="account-form">
    <p role="status">${t('apiKeys.made', { time: () => formatTime(made.expires_at) })}</p>
    <label class="field">
      <span>${made.name}</span>
      <input class="code" readonly ref=${field} value=${made.key} spellcheck="false" />
    </label>
    <div class="button-row start">
      <${Copy} text=${made.key} />
      <${Button} label=${t('apiKeys.done')} small onClick=${onDone} />
    </div>
  </div>`;
}
