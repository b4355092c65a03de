// The files of a study, or of one of its series.

import { resultAddress, viewerAddress } from '../app/addresses.js';
import { formatBytes, formatNumber } from '../app/format.js';
import { useEvent } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { Listing } from '../app/listing.js';
import { go } from '../app/router.js';
import { html } from '../ui/html.js';
import { Stale } from '../ui/stale.js';
import { StateBadge } from '../ui/state-badge.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { Table } from '../ui/table.js';
import { Thumbnail } from '../ui/thumbnail.js';
import { useEffect, useMemo, useRef } from '../vendor/hooks.mjs';

function makeListing(study, series) {
  return new Listing({
    path: '/api/results',
    items: 'results',
    keyOf: (row) => row.file_id,
    filter: { study, series },
    sort: '-received',
    parameters: (filter) => filter,
    counting: false,
  });
}

/** @param {{study: any, series: string, changed: number}} properties `changed`: counts what makes them old */
export function StudyFiles({ study, series, changed }) {
  const uid = study.study_instance_uid;
  const listing = useMemo(() => makeListing(uid, series), [uid, series]);
  useEvent(listing, 'change');
  useEffect(() => {
    listing.load();
    return () => listing.stop();
  }, [listing]);
  const known = useRef(changed);
  useEffect(() => {
    if (known.current !== changed) listing.refresh(null, () => true);
    known.current = changed;
  }, [changed]);
  return html`<section class="card" aria-labelledby="files-heading">
    <h2 id="files-heading">${t(series ? 'study.filesOfSeries' : 'study.files')}</h2>
    ${listing.stale !== null && html`<${Stale} at=${listing.at} error=${listing.stale} retry=${() => listing.again()} />`}
    ${listing.phase === 'error'
      ? html`<${ErrorState} error=${listing.error} retry=${() => listing.load()} />`
      : listing.phase === 'loading'
        ? html`<${Skeleton} />`
        : html`<${Table}
            label=${t('study.files')}
            columns=${columns()}
            rows=${listing.rows}
            keyOf=${listing.keyOf}
            total=${listing.total}
            rowHeight=${60}
            narrowHeight=${76}
            memory=${listing.memory}
            onOpen=${(row) => go(resultAddress(row.file_id))}
            onView=${(row) => go(viewerAddress(uid, { series: row.series_instance_uid, image: row.file_id, collection: study.collection }))}
            onSee=${(first, end) => listing.see(first, end)}
            onNearEnd=${() => listing.more()}
            onEnd=${() => listing.all()}
          />`}
  </section>`;
}

function columns() {
  const number = (value) => html`<span title=${value === null ? undefined : String(value)}>${formatNumber(value)}</span>`;
  return [
    { name: 'file', label: t('files.name'), class: 'cell-file', cell: (row) => html`<${FileName} row=${row} />` },
    { name: 'state', label: t('studies.state'), class: 'cell-state', cell: (row) => html`<${StateBadge} state=${row.state} />` },
    { name: 'before', label: t('files.before'), class: 'cell-number', cell: (row) => number(row.average_before_normalization) },
    { name: 'after', label: t('files.after'), class: 'cell-number', cell: (row) => number(row.average_after_normalization) },
    { name: 'size', label: t('files.size'), class: 'cell-number', cell: (row) => formatBytes(row.size_bytes) },
  ];
}

function FileName({ row }) {
  return html`<div class="study-patient">
    <${Thumbnail} file=${row.thumbnail ? row.file_id : null} />
    <a href=${resultAddress(row.file_id)} data-route tabindex="-1" class="grid-link clip">
      <bdi>${row.file_name || row.file_id}</bdi>
    </a>
  </div>`;
}
