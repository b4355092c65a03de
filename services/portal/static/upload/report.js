// What came of the uploads: the studies first, then how many files ended how, each to see, send again or export.

import { currentLanguage, t } from '../app/i18n.js';
import { formatNumber } from '../app/format.js';
import { saveBlob } from '../app/saving.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { useState } from '../vendor/hooks.mjs';
import { csv } from './csv.js';
import { Files } from './files.js';
import { statusText } from './item-texts.js';
import { outcomeOf, OUTCOMES, RETRYABLE } from './outcomes.js';
import { Studies } from './studies.js';

/** By outcome: icon and tone. */
const TONES = {
  sending: ['upload', 'quiet'],
  processing: ['clock', 'pending'],
  processed: ['check', 'good'],
  known: ['info', 'pending'],
  conflict: ['alert', 'bad'],
  failed: ['alert', 'bad'],
  foreign: ['alert', 'bad'],
  omitted: ['info', 'quiet'],
  cancelled: ['close', 'quiet'],
};

/** How many files ended how. @param {{ledger: import('./ledger.js').Ledger, chosen?: string, onChoose?: (outcome: string) => void}} properties */
export function Outcomes({ ledger, chosen = '', onChoose = null }) {
  const shown = OUTCOMES.filter((outcome) => ledger.counts[outcome] > 0);
  const content = (outcome) => {
    const [icon, tone] = TONES[outcome];
    const count = ledger.counts[outcome];
    return html`<${Icon} name=${icon} /><span class="outcome-name">${t(`outcome.${outcome}`)}</span>
      <strong class=${`badge tone-${tone}`} data-outcome=${outcome}>${formatNumber(count)}</strong>`;
  };
  if (onChoose === null)
    return html`<ul class="outcomes" role="list">
      ${shown.map((outcome) => html`<li key=${outcome} class=${`outcome tone-${TONES[outcome][1]}`}>${content(outcome)}</li>`)}
    </ul>`;
  return html`<div class="outcomes" role="group" aria-label=${t('upload.outcomes')}>
    ${shown.map(
      (outcome) => html`<button
        type="button"
        key=${outcome}
        class=${`outcome tone-${TONES[outcome][1]}`}
        aria-pressed=${String(outcome === chosen)}
        onClick=${() => onChoose(outcome === chosen ? '' : outcome)}
      >
        ${content(outcome)}
      </button>`,
    )}
  </div>`;
}

/** @param {{uploads: import('./uploads.js').Uploads}} properties */
export function Report({ uploads: { queue } }) {
  const [wanted, setWanted] = useState('');
  const { ledger } = queue;
  if (ledger.items.length === 0) return null;
  const outcome = wanted !== '' && ledger.counts[wanted] > 0 ? wanted : '';
  const shown = () => (outcome === '' ? ledger.items : ledger.items.filter((item) => outcomeOf(item) === outcome));
  const finished = ledger.items.length - ledger.counts.sending - ledger.counts.processing;
  return html`<section class="card upload-report" aria-labelledby="report-heading">
    <h2 id="report-heading">${t('upload.report')}</h2>
    <${Studies} ledger=${ledger} />
    <${Outcomes} ledger=${ledger} chosen=${outcome} onChoose=${setWanted} />
    <div class="button-row">
      ${RETRYABLE.includes(/** @type {any} */ (outcome)) &&
      html`<${Button} label=${t('upload.retryAll')} icon="retry" small onClick=${() => queue.retry(shown())} />`}
      <${Button} label=${t('upload.export')} icon="download" small onClick=${() => save(shown())} />
      ${finished > 0 && html`<${Button} label=${t('upload.clear')} icon="close" small onClick=${() => queue.clear({ all: true })} />`}
    </div>
    <${Files} queue=${queue} outcome=${outcome} />
  </section>`;
}

/** @param {import('./ledger.js').Item[]} items */
function save(items) {
  const head = ['folder', 'name', 'size', 'outcome', 'reason', 'file', 'study'].map((name) => t(`column.${name}`));
  const rows = items.map((item) => [
    item.folder,
    item.name,
    item.size,
    t(`outcome.${outcomeOf(item)}`),
    statusText(item),
    item.entry?.id ?? '',
    item.entry?.study_instance_uid ?? '',
  ]);
  // Spreadsheets part cells by what the language does not use for decimals.
  const text = csv([head, ...rows], currentLanguage() === 'es' ? ';' : ',');
  saveBlob(new Blob([text], { type: 'text/csv' }), `${t('upload.exportName')}-${new Date().toISOString().slice(0, 10)}.csv`);
}
