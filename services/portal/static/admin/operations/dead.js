// All dead letters that a filter finds: sent again, or deleted for good.

import { foreseen, request } from '../../app/api.js';
import { t } from '../../app/i18n.js';
import { errorText } from '../../app/problems.js';
import { toast } from '../../app/toasts.js';
import { Button } from '../../ui/button.js';
import { Dialog } from '../../ui/dialog.js';
import { html } from '../../ui/html.js';
import { TypedWord } from '../../ui/typed-word.js';
import { useState } from '../../vendor/hooks.mjs';

/** Settle letters by ids, a filter or `all`; what became of how many. */
export function settleDead(fate, chosen) {
  return request(`/api/processing/dead/${fate}`, { method: 'POST', json: chosen });
}

/** What a list's filters say to the server, of all letters at once. */
export function chosenBy(filters) {
  return Object.keys(filters).length > 0 ? { ...filters } : { all: true };
}

/** @param {{context: any, list: any, onDone: () => void}} properties */
export function DeadTotal({ context: { user }, list, onDone }) {
  const [fate, setFate] = useState(/** @type {'replay' | 'drop' | null} */ (null));
  if (list.phase !== 'ready') return null;
  const { length } = list.rows;
  const again = html`<${Button} label=${t('dead.again')} icon="retry" kind="plain" small onClick=${onDone} />`;
  if (length === 0) return html`<div class="button-row">${again}</div>`;
  return html`<div class="action-bar dead-total" role="group" aria-label=${t('dead.all')}>
    <p>${t(list.answer.more ? 'dead.someShown' : 'dead.allShown', { count: length })}</p>
    ${again}
    ${user.permissions.includes('replay_deadletter') &&
    html`<${Button} label=${t('dead.replayAll')} icon="retry" small onClick=${() => setFate('replay')} />`}
    ${user.permissions.includes('delete_deadletter') &&
    html`<${Button} label=${t('dead.dropAll')} icon="trash" class="danger" small onClick=${() => setFate('drop')} />`}
    ${fate !== null &&
    html`<${SettleAll} fate=${fate} filters=${list.query.filters} onDone=${onDone} onClose=${() => setFate(null)} />`}
  </div>`;
}

function SettleAll({ fate, filters, onDone, onClose }) {
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState(fate !== 'drop');
  const [error, setError] = useState(/** @type {any} */ (null));
  const act = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const answer = await settleDead(fate, chosenBy(filters));
      toast(t(`deadDone.${fate}`, { count: fate === 'drop' ? answer.dropped : answer.replayed }));
      onClose();
      onDone();
    } catch (problem) {
      if (!foreseen(problem)) throw problem;
      setError(problem);
      setBusy(false);
    }
  };
  const label = t(fate === 'drop' ? 'dead.dropAll' : 'dead.replayAll');
  const buttons = html`
    <${Button} label=${t('admin.cancel')} onClick=${onClose} />
    <button type="submit" form="settle-all" class=${`button ${fate === 'drop' ? 'danger' : 'primary'}`} disabled=${busy || !typed}>
      ${label}
    </button>
  `;
  return html`<${Dialog} heading=${label} onClose=${onClose} actions=${buttons}>
    <form id="settle-all" class="admin-form" onSubmit=${act}>
      <p>${t(Object.keys(filters).length > 0 ? `deadAsk.${fate}Found` : `deadAsk.${fate}All`)}</p>
      ${fate === 'drop' && html`<${TypedWord} onMatch=${setTyped} />`}
      ${error !== null && html`<p class="notice bad" role="alert"><span>${errorText(error)}</span></p>`}
    </form>
  <//>`;
}
