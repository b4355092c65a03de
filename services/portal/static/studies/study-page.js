// One study: who and what, its series, its files.

import { withQuery } from '../app/api.js';
import { addressed, byLink } from '../app/link-mode.js';
import { pageAddress, viewerAddress } from '../app/addresses.js';
import { formatDay } from '../app/format.js';
import { useTexts } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { setTitle } from '../app/title.js';
import { useLoaded } from '../app/use-loaded.js';
import { personName } from '../dicom/person-name.js';
import { ShareButton } from '../shares/share-button.js';
import { LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { linkSheet } from '../ui/sheet.js';
import { Stale } from '../ui/stale.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { OpenWith } from '../viewers/open-with.js';
import { ArchiveButton } from './archive-button.js';
import { StudyFiles } from './files.js';
import { patientFacts, patientName, StudyState } from './row.js';
import { SeriesCards } from './series-cards.js';

linkSheet(new URL('./studies.css', import.meta.url));

const GATHER = 1000;

/** Another study is another page: nothing of the one before may stand at its address. */
export function View({ parameters: [uid], place, ...more }) {
  const collection = new URLSearchParams(place.query).get('collection') ?? '';
  return html`<${Study} key=${`${uid} ${collection}`} uid=${uid} collection=${collection} ...${more} />`;
}

function Study({ work, uid, collection }) {
  useTexts();
  const path = `/api/studies/${encodeURIComponent(uid)}`;
  const { data: study, error, stale, at, again, reload } = useLoaded(withQuery(path, { collection }));
  const [series, setSeries] = useState('');
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));

  useEffect(() => {
    let timer = 0;
    const soon = () => {
      timer ||= setTimeout(() => {
        timer = 0;
        reload();
      }, GATHER);
    };
    work.live.start();
    work.live.addEventListener('change', soon);
    work.live.addEventListener('resync', soon);
    return () => {
      clearTimeout(timer);
      work.live.removeEventListener('change', soon);
      work.live.removeEventListener('resync', soon);
    };
  }, [work.live]);
  useLayoutEffect(() => {
    if (study === null) setTitle(() => t('study.heading'));
    else setTitle(() => patientName(study));
    (heading.current ?? /** @type {HTMLElement} */ (document.querySelector('main h1')))?.focus();
  }, [study === null, error === null]);

  if (error !== null)
    return html`<section class="card">
      ${error.status === 404
        ? html`<${Empty} icon="studies" heading=${t('study.unknownHeading')} text=${t('study.unknown')}><${Back} /><//>`
        : html`<${ErrorState} error=${error} heading=${t('error.heading')} retry=${reload} />`}
    </section>`;
  if (study === null) return html`<section class="card"><${Skeleton} /></section>`;
  const mayLoad = work.user.permissions.includes('view_dicomfile');
  const images = viewerAddress(uid, { series: study.series[0]?.series_instance_uid, collection: study.collection });
  const zip = addressed(withQuery(`${path}/zip`, { collection: study.collection }));
  return html`<div class="study">
    ${!byLink && html`<${Back} />`}
    <div class="page-head">
      <h1 tabindex="-1" ref=${heading}><bdi>${patientName(study)}</bdi></h1>
      <${StudyState} study=${study} />
      <div class="page-actions">
        ${study.series.length > 0 && html`<${LinkButton} href=${images} label=${t('study.view')} icon="view" kind="primary" />`}
        <${OpenWith} study=${{ study_instance_uid: uid, collection: study.collection }} />
        <${ShareButton} things=${[{ title: patientName(study), item: { study_instance_uid: uid, collection: study.collection } }]} user=${work.user} />
        ${mayLoad && html`<${ArchiveButton} address=${zip} name=${`study-${uid}.zip`} />`}
      </div>
    </div>
    ${stale !== null && html`<${Stale} at=${at} error=${stale} retry=${reload} />`}
    ${!study.whole && html`<p class="notice">${t('study.part')}</p>`}
    <${Facts} study=${study} />
    <${SeriesCards} study=${study} chosen=${series} onChoose=${(next) => setSeries(next === series ? '' : next)} />
    <${StudyFiles} study=${study} series=${series} changed=${again} />
    ${study.collections.length > 0 && html`<${Others} study=${study} />`}
  </div>`;
}

function Back() {
  return html`<a class="back" href=${pageAddress('/studies')} data-route>
    <${Icon} name="back" /><span>${t('study.back')}</span>
  </a>`;
}

function Facts({ study }) {
  const facts = [
    ['study.patient', patientFacts(study).join(' · ')],
    ['study.description', study.study_description],
    ['study.date', study.study_date && [formatDay(study.study_date), study.study_time?.slice(0, 5)].filter(Boolean).join(', ')],
    ['study.accession', study.accession_number],
    ['study.referring', personName(study.referring_physician_name)],
    ['study.modalities', study.modalities.join(', ')],
    ['study.devices', study.devices.map((name) => (name === 'unknown' ? t('study.unknownDevice') : name)).join(', ')],
    ['study.content', `${t('studies.series', { count: study.series_count })} · ${t('studies.images', { count: study.instances })}`],
    ['study.uid', study.study_instance_uid],
  ].filter(([, value]) => value);
  return html`<section class="card" aria-label=${t('study.facts')}>
    <dl class="study-facts">
      ${facts.map(([key, value]) => html`<div key=${key}><dt>${t(key)}</dt><dd><bdi>${value}</bdi></dd></div>`)}
    </dl>
  </section>`;
}

function Others({ study }) {
  const address = (collection) =>
    pageAddress(withQuery(`/studies/${encodeURIComponent(study.study_instance_uid)}`, { collection }));
  return html`<section class="card">
    <h2>${t('study.others')}</h2>
    <ul>
      ${study.collections.map((name) => html`<li><a href=${address(name)} data-route>${name}</a></li>`)}
    </ul>
  </section>`;
}
