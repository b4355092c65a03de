// The series of a study, side by side. Choosing one shows its files alone; its images are one press away.

import { viewerAddress } from '../app/addresses.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Thumbnail } from '../ui/thumbnail.js';
import { StudyState } from './row.js';

/** @param {{study: any, chosen: string, onChoose: (uid: string) => void}} properties */
export function SeriesCards({ study, chosen, onChoose }) {
  const { series, study_instance_uid: uid, collection } = study;
  const images = (one) => viewerAddress(uid, { series: one.series_instance_uid, collection });
  return html`<section aria-labelledby="series-heading">
    <h2 id="series-heading">${t('study.series')}</h2>
    <ul class="series-cards">
      ${series.map(
        (one) => html`<li key=${one.series_instance_uid}>
          <${Card} one=${one} chosen=${chosen} onChoose=${onChoose} />
          <a class="icon-button series-view" href=${images(one)} data-route aria-label=${t('series.view', { name: nameOf(one) })} title=${t('study.view')}>
            <${Icon} name="view" />
          </a>
        </li>`,
      )}
    </ul>
  </section>`;
}

function nameOf(one) {
  return one.series_description || (one.series_number === null ? t('series.unnamed') : t('series.number', { number: String(one.series_number) }));
}

function Card({ one, chosen, onChoose }) {
  const uid = one.series_instance_uid;
  const number = one.series_number === null ? '' : t('series.number', { number: String(one.series_number) });
  const device = one.device === 'unknown' ? t('study.unknownDevice') : one.device;
  return html`<button
    type="button"
    class="card series-card"
    aria-pressed=${String(uid === chosen)}
    onClick=${() => onChoose(uid)}
  >
    <${Thumbnail} size="large" file=${one.cover_file_id} />
    <span class="series-text">
      <strong class="clip"><bdi>${nameOf(one)}</bdi></strong>
      <span class="quiet">
        ${one.modality && html`<span class="modality">${one.modality}</span> `}
        ${[number, t('studies.images', { count: one.instances }), one.body_part_examined].filter(Boolean).join(' · ')}
      </span>
      ${device && html`<span class="quiet clip"><bdi>${device}</bdi></span>`}
      <${StudyState} study=${one} />
    </span>
  </button>`;
}
