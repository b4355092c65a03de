// Stories of data: tables and what is drawn.

import { t } from '../app/i18n.js';
import { useState } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { Table } from '../ui/table.js';

const ROWS = Array.from({ length: 4 }, (_, number) => ({ key: `row-${number}`, name: `IM${1000 + number}` }));

function Tables() {
  const [sort, setSort] = useState('name');
  const [selected, setSelected] = useState(new Set(['row-1']));
  const columns = [
    { name: 'name', label: t('nav.files'), sort: 'name', cell: (row) => html`<bdi>${row.name}</bdi>` },
    { name: 'state', label: t('stories.menu'), cell: () => html`<span class="badge tone-good">${t('state.processed')}</span>` },
  ];
  return html`<${Table}
    label=${t('nav.files')}
    columns=${columns}
    rows=${sort === 'name' ? ROWS : [...ROWS].reverse()}
    keyOf=${(row) => row.key}
    total=${ROWS.length}
    sort=${sort}
    onSort=${setSort}
    selected=${selected}
    onSelect=${setSelected}
    onOpen=${() => {}}
  />`;
}

/** @type {[name: string, Story: any][]} */
export const DATA = [['table', Tables]];
