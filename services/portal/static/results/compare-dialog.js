// With which other result: those beside it in its series, or whatever is searched for.

import { pageAddress } from '../app/addresses.js';
import { foreseen, request, withQuery } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { go } from '../app/router.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { linkSheet } from '../ui/sheet.js';
import { Thumbnail } from '../ui/thumbnail.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { patientOf } from './row.js';

linkSheet(new URL('./compare.css', import.meta.url));

const SHOWN = 8;
const DELAY = 250; // milliseconds after the last letter

export function CompareDialog({ result, neighbours, onClose }) {
  const [sought, setSought] = useState('');
  const [{ found, error }, setShown] = useState(/** @type {{found: any[] | null, error: any}} */ ({ found: null, error: null }));
  const [again, setAgain] = useState(0);
  const series = result.series_instance_uid ?? '';
  useEffect(() => {
    const leaving = new AbortController();
    const q = sought.trim();
    const path = withQuery('/api/results', { q, series: q ? '' : series, state: 'processed', limit: SHOWN + 1 });
    const ask = () =>
      request(path, { signal: leaving.signal }).then(
        (answer) => setShown({ found: answer.results.filter((row) => row.file_id !== result.file_id).slice(0, SHOWN), error: null }),
        (problem) => {
          if (foreseen(problem)) setShown({ found: null, error: problem });
          else if (problem.name !== 'AbortError') throw problem;
        },
      );
    const timer = setTimeout(ask, q ? DELAY : 0);
    return () => {
      clearTimeout(timer);
      leaving.abort();
    };
  }, [sought, series, result.file_id, again]);
  const compare = (other) => {
    onClose();
    go(pageAddress(withQuery('/compare', { a: result.file_id, b: other })));
  };
  const beside = [
    [neighbours?.previous, 'neighbours.previous', 'back'],
    [neighbours?.next, 'neighbours.next', 'forward'],
  ].filter(([id]) => id);
  return html`<${Dialog}
    heading=${t('compare.with')}
    onClose=${onClose}
    actions=${html`<${Button} label=${t('dialog.close')} onClick=${onClose} />`}
  >
    <div class="compare-choice">
      ${beside.length > 0 &&
      html`<div class="button-row">
        ${beside.map(([id, key, icon]) => html`<${Button} key=${key} label=${t(key)} icon=${icon} onClick=${() => compare(id)} />`)}
      </div>`}
      <label class="field">
        <span>${t('compare.search')}</span>
        <input type="search" maxlength="200" value=${sought} onInput=${(event) => setSought(event.currentTarget.value)} />
      </label>
      ${error !== null &&
      html`<div class="notice bad" role="alert">
        <${Icon} name="alert" /><span>${errorText(error)}</span>
        <${Button} label=${t('error.retry')} icon="retry" small onClick=${() => setAgain(again + 1)} />
      </div>`}
      ${found !== null &&
      html`<p class="quiet" role="status">${found.length === 0 ? t('compare.none') : t(sought.trim() ? 'compare.found' : 'compare.sameSeries')}</p>
        <ul>
          ${found.map(
            (row) =>
              html`<li key=${row.file_id}>
                <button type="button" class="compare-row" onClick=${() => compare(row.file_id)}>
                  <${Thumbnail} file=${row.thumbnail ? row.file_id : null} />
                  <span class="file-names">
                    <bdi class="clip">${row.file_name || row.file_id}</bdi>
                    <span class="quiet clip"><bdi>${[patientOf(row), row.modality, formatTime(row.received_at)].filter(Boolean).join(' · ')}</bdi></span>
                  </span>
                </button>
              </li>`,
          )}
        </ul>`}
    </div>
  <//>`;
}
