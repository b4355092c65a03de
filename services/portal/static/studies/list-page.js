// The home of the portal: all studies that the reader may see.

import { announce } from '../app/announce.js';
import { pageAddress } from '../app/addresses.js';
import { useEvent } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { go, keep } from '../app/router.js';
import { setTitle } from '../app/title.js';
import { useEffect, useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { Button, LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { Table } from '../ui/table.js';
import { filterOf, queryOf, sortOf } from './filter.js';
import { StudyFilters } from './filters.js';
import { columnsFor, studyAddress } from './row.js';
import { keyOf, StudyRows } from './rows.js';
import { SearchBox } from './search-box.js';

linkSheet(new URL('./studies.css', import.meta.url));

const GATHER = 1000; // changes within this time are answered by one question

/** The rows of this address: those that were left, for who comes back to them. */
function rowsFor(place) {
  const kept = keep(place.key);
  const of = `${place.path}${place.query}`;
  if (kept.studies === undefined || kept.of !== of) {
    Object.assign(kept, { of, studies: new StudyRows(filterOf(place.query), sortOf(place.query)), scroll: 0 });
  }
  return kept;
}

export function View({ work, place }) {
  const kept = rowsFor(place);
  /** @type {StudyRows} */
  const studies = kept.studies;
  studies.memory.returning = place.back;
  useEvent(studies, 'change');
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));

  useEffect(() => {
    setTitle(() => t('studies.heading'));
    work.live.start();
  }, []);
  useLayoutEffect(() => {
    if (studies.phase === 'ready' && place.back) {
      window.scrollTo(0, kept.scroll ?? 0);
      if (studies.memory.active === undefined) heading.current.focus({ preventScroll: true });
    } else if (!document.activeElement?.matches('input, .chip, [role^="menuitem"], .menu-button, .grid-sort')) {
      heading.current.focus();
    }
    if (studies.phase !== 'ready') studies.load();
    else refresh();
    return () => studies.stop();
  }, [studies]);

  const refresh = () => studies.refresh(() => window.scrollY === 0 && !atTheRows());
  useEffect(() => {
    let timer = 0;
    const soon = () => {
      timer ||= setTimeout(() => {
        timer = 0;
        refresh();
      }, GATHER);
    };
    work.live.addEventListener('change', soon);
    work.live.addEventListener('resync', soon);
    return () => {
      clearTimeout(timer);
      work.live.removeEventListener('change', soon);
      work.live.removeEventListener('resync', soon);
    };
  }, [studies, work.live]);
  useEffect(() => {
    if (studies.phase === 'ready' && studies.facets !== null && Object.keys(studies.filter).length > 0)
      announce(t('studies.found', { count: studies.facets.total }));
  }, [studies, studies.phase, studies.facets?.total]);

  const change = (filter, sort = studies.sort) =>
    go(pageAddress(`/studies${queryOf(filter, sort)}`), { replace: true });
  return html`<div class="studies">
    <div class="page-head">
      <h1 tabindex="-1" ref=${heading}>${t('studies.heading')}</h1>
      ${studies.facets !== null &&
      html`<p class="quiet">
        ${t(studies.facets.complete ? 'studies.count' : 'studies.countAtLeast', { count: studies.facets.total })}
      </p>`}
    </div>
    <${SearchBox} narrow />
    <${StudyFilters} filter=${studies.filter} facets=${studies.facets} onChange=${(filter) => change(filter)} />
    ${studies.stale !== null && html`<p class="notice">${t('studies.stale')}</p>`}
    ${studies.fresh > 0 && html`<${Fresh} count=${studies.fresh} onShow=${() => studies.load()} />`}
    <${Rows}
      studies=${studies}
      user=${work.user}
      onSort=${(sort) => change(studies.filter, sort)}
      onReset=${() => change({})}
    />
  </div>`;
}

function atTheRows() {
  return document.activeElement?.closest('.grid tbody') !== null;
}

function Fresh({ count, onShow }) {
  const show = () => {
    window.scrollTo(0, 0);
    onShow();
  };
  return html`<div class="fresh" role="status">
    <${Button} label=${t('studies.fresh', { count })} icon="retry" small onClick=${show} />
  </div>`;
}

// Whatever there is to say stands in the place of the rows.
function Rows({ studies, user, onSort, onReset }) {
  const { phase, rows, error, filter } = studies;
  if (phase === 'loading') return html`<section class="card"><${Skeleton} lines=${8} /></section>`;
  if (phase === 'error')
    return html`<section class="card"><${ErrorState} error=${error} retry=${() => studies.load()} /></section>`;
  if (rows.length === 0 && Object.keys(filter).length > 0)
    return html`<section class="card">
      <${Empty} icon="search" text=${t('studies.noMatch')}>
        <${Button} label=${t('chip.reset')} icon="close" onClick=${onReset} />
      <//>
    </section>`;
  if (rows.length === 0) return html`<section class="card"><${Nothing} user=${user} /></section>`;
  return html`<${Table}
    label=${t('studies.heading')}
    columns=${columnsFor(user)}
    rows=${rows}
    keyOf=${keyOf}
    total=${studies.cursor === null ? rows.length : (studies.facets?.total ?? -1)}
    sort=${studies.sort}
    onSort=${onSort}
    onOpen=${(study) => go(studyAddress(study))}
    onNearEnd=${() => studies.more()}
    onEnd=${() => studies.all()}
    memory=${studies.memory}
  />`;
}

function Nothing({ user }) {
  const may = user.permissions.includes('add_dicomfile');
  return html`<${Empty} icon="studies" text=${t(may ? 'studies.nothingYet' : 'studies.nothingShared')}>
    ${may && html`<${LinkButton} href=${pageAddress('/upload')} label=${t('nav.upload')} icon="upload" kind="primary" />`}
  <//>`;
}
