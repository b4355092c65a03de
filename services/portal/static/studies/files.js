// The files of a study, or of one of its series.

import { ApiError, NetworkError, request, resultPaths, withQuery } from '../app/api.js';
import { resultAddress } from '../app/addresses.js';
import { formatBytes, formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { go } from '../app/router.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { Table } from '../ui/table.js';
import { Thumbnail } from '../ui/thumbnail.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';

const PAGE = 100;
const EMPTY = { rows: null, cursor: null, error: null };
const MARKS = { received: ['clock', 'pending'], processed: ['check', 'good'], failed: ['alert', 'bad'] };

/** @param {{study: any, series: string, changed: number}} properties `changed`: counts what makes them old */
export function StudyFiles({ study, series, changed }) {
  const [shown, setShown] = useState(EMPTY);
  const [again, setAgain] = useState(0);
  const asked = useRef('');
  const uid = study.study_instance_uid;
  const query = { study: uid, series };

  const load = async (cursor, before, limit, signal) => {
    try {
      const page = await request(withQuery('/api/results', { ...query, limit, cursor }), { signal });
      const mine = page.results.filter((row) => !before.some((known) => known.file_id === row.file_id));
      const rows = [...before, ...mine];
      setShown({ rows, cursor: page.next_cursor, error: null });
      return rows;
    } catch (error) {
      if (error.name === 'AbortError') return before;
      if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
      setShown((old) => (old.rows === null ? { ...EMPTY, error } : old));
      return before;
    }
  };
  useEffect(() => {
    const leaving = new AbortController();
    const of = `${uid} ${series}`;
    const known = asked.current === of ? (shown.rows?.length ?? 0) : 0;
    if (asked.current !== of) setShown(EMPTY);
    asked.current = of;
    load(null, [], Math.min(Math.max(known, PAGE), 500), leaving.signal);
    return () => leaving.abort();
  }, [uid, series, changed, again]);

  const loading = useRef(false);
  const more = async () => {
    if (loading.current || shown.cursor === null) return;
    loading.current = true;
    await load(shown.cursor, shown.rows, PAGE, undefined);
    loading.current = false;
  };
  return html`<section class="card" aria-labelledby="files-heading">
    <h2 id="files-heading">${t(series ? 'study.filesOfSeries' : 'study.files')}</h2>
    ${shown.error !== null
      ? html`<${ErrorState} error=${shown.error} retry=${() => setAgain(again + 1)} />`
      : shown.rows === null
        ? html`<${Skeleton} />`
        : html`<${Table}
            label=${t('study.files')}
            columns=${columns()}
            rows=${shown.rows}
            keyOf=${(row) => row.file_id}
            rowHeight=${60}
            narrowHeight=${76}
            onOpen=${(row) => go(resultAddress(row.file_id))}
            onNearEnd=${more}
          />`}
  </section>`;
}

function columns() {
  const number = (value) => html`<span title=${value === null ? undefined : String(value)}>${formatNumber(value)}</span>`;
  return [
    { name: 'file', label: t('files.name'), class: 'cell-file', cell: (row) => html`<${FileName} row=${row} />` },
    { name: 'state', label: t('studies.state'), class: 'cell-state', cell: (row) => html`<${FileState} state=${row.state} />` },
    { name: 'before', label: t('files.before'), class: 'cell-number', cell: (row) => number(row.average_before_normalization) },
    { name: 'after', label: t('files.after'), class: 'cell-number', cell: (row) => number(row.average_after_normalization) },
    { name: 'size', label: t('files.size'), class: 'cell-number', cell: (row) => formatBytes(row.size_bytes) },
  ];
}

function FileName({ row }) {
  return html`<div class="study-patient">
    <${Thumbnail} source=${row.thumbnail ? resultPaths(row.file_id).thumbnail : null} />
    <a href=${resultAddress(row.file_id)} data-route tabindex="-1" class="grid-link clip">
      <bdi>${row.file_name || row.file_id}</bdi>
    </a>
  </div>`;
}

function FileState({ state }) {
  const [icon, tone] = MARKS[state] ?? ['info', 'quiet'];
  return html`<span class=${`badge tone-${tone}`} data-state=${state}><${Icon} name=${icon} />${t(`state.${state}`)}</span>`;
}
