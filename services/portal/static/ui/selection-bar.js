// What can be done with the rows that are chosen, and how far it is.

import { actions } from '../app/actions.js';
import { formatNumber } from '../app/format.js';
import { useEvent } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { toast } from '../app/toasts.js';
import { Button } from './button.js';
import { html } from './html.js';
import { Progress } from './progress.js';

/**
 * @param {{
 *   listing: import('../app/listing.js').Listing,
 *   choices: {label: string, icon?: string, onSelect: () => void, disabled?: boolean}[],
 *   more?: any,
 * }} properties
 * `more`: what stands beside the choices.
 */
export function SelectionBar({ listing, choices, more: beside = null }) {
  const { rows, selected, everything, total } = listing;
  if (selected.size === 0) return null;
  const loaded = rows.length > 0 && rows.every((row) => selected.has(listing.keyOf(row)));
  const more = !everything && loaded && (listing.cursor !== null || total > rows.length);
  const all = counted(listing) ? t('bulk.all', { count: total }) : t('bulk.every');
  return html`<div class="selection-bar" role="region" aria-label=${t('bulk.heading')}>
    <strong role="status">${chosenText(listing)}</strong>
    ${more && html`<${Button} label=${all} kind="plain" small onClick=${() => listing.select(selected, true)} />`}
    ${choices.map(
      ({ label, icon, onSelect, disabled = false }) =>
        html`<${Button} key=${label} label=${label} icon=${icon} small disabled=${disabled} onClick=${onSelect} />`,
    )}
    ${beside}
    <${Button} label=${t('bulk.none')} icon="close" kind="plain" small onClick=${() => listing.select(new Set())} />
  </div>`;
}

// Whether the total is of all that match: counting stops somewhere.
function counted({ cursor, facets }) {
  return cursor === null || facets?.complete === true;
}

/** How many are chosen of how many there are, as far as anybody knows. */
export function chosenText(listing) {
  const { rows, selected, everything, total } = listing;
  if (everything) return counted(listing) ? t('bulk.chosen', { count: total }) : t('bulk.chosenEvery');
  const count = selected.size;
  if (!counted(listing)) return t('bulk.chosenOfMore', { count, total: Math.max(total, rows.length) });
  return count < total ? t('bulk.chosenOf', { count, total }) : t('bulk.chosen', { count });
}

/** How far the actions are that the reader has begun. */
export function ActionsProgress() {
  useEvent(actions, 'change');
  return actions.running.map(({ total, done, waits, again, stop }) => {
    const label = total === null ? t('bulk.counting') : t('bulk.progress', { done: formatNumber(done), total: formatNumber(total) });
    return html`<div class="actions-progress">
      <span>${label}</span>
      <${Progress} value=${total ? done / total : undefined} label=${label} />
      <span role="status">${waits && t('bulk.waits')}</span>
      ${waits &&
      html`<div class="button-row">
        <${Button} label=${t('error.retry')} icon="retry" small onClick=${again} />
        <${Button} label=${t('bulk.leave')} icon="close" kind="plain" small onClick=${() => leave(stop)} />
      </div>`}
    </div>`;
  });
}

function leave(stop) {
  stop();
  toast(t('bulk.left'));
}
