// The series of the study at the side; the one chosen is shown in the active viewport.

import { useEvent } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { Thumbnail } from '../ui/thumbnail.js';

/** @param {{viewing: import('./viewing.js').Viewing, study: any, onChoose: () => void}} properties */
export function Strip({ viewing, study, onChoose }) {
  useEvent(viewing, 'change');
  const { pane, panes } = viewing;
  const groups = viewing.heldBy(pane).stack?.groups ?? [];
  const choose = (uid) => {
    viewing.choose(uid);
    onChoose();
  };
  const group = (index) => {
    viewing.chooseGroup(index);
    onChoose();
  };
  return html`<ul class="strip-list">
    ${study.series.map((one) => {
      const uid = one.series_instance_uid;
      const number = one.series_number === null ? '' : t('viewer.seriesNumber', { number: String(one.series_number) });
      return html`<li key=${uid}>
        <button
          type="button"
          class="strip-series"
          aria-current=${uid === pane.series ? 'true' : undefined}
          data-shown=${String(panes.some((other) => other.series === uid))}
          onClick=${() => choose(uid)}
        >
          <${Thumbnail} size="large" file=${one.cover_file_id} />
          <span class="strip-text">
            <strong><bdi>${one.series_description || number || t('viewer.unnamed')}</bdi></strong>
            <span class="quiet">${[one.modality, number, t('viewer.count', { count: one.instances })].filter(Boolean).join(' · ')}</span>
          </span>
        </button>
        ${uid === pane.series && groups.length > 1 && html`<ul class="strip-groups">
          ${groups.map(
            ({ frames }, index) => html`<li key=${index}>
              <button type="button" aria-current=${index === pane.group ? 'true' : undefined} onClick=${() => group(index)}>
                ${t('viewer.group', { number: index + 1, images: t('viewer.count', { count: frames.length }) })}
              </button>
            </li>`,
          )}
        </ul>`}
      </li>`;
    })}
  </ul>`;
}
