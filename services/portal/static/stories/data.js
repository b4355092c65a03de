// Stories of data: tables and what is drawn.

import { t } from '../app/i18n.js';
import { useState } from '../vendor/hooks.mjs';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { html } from '../ui/html.js';
import { Histogram } from '../ui/histogram.js';
import { Pager } from '../ui/pager.js';
import { StateBadge } from '../ui/state-badge.js';
import { Table } from '../ui/table.js';
import { Timeline } from '../ui/timeline.js';
import { WindowBand } from '../ui/window-band.js';
import { WindowHistogram } from '../ui/window-histogram.js';

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

function Histograms() {
  const counts = Array.from({ length: 64 }, (_, bin) => Math.round(4000 * Math.exp(-(((bin - 24) / 9) ** 2))));
  return html`<${Histogram} id="story-histogram" heading=${t('stories.histogram')} histogram=${{ counts, min: -1024, max: 3071 }} />`;
}

function Windows() {
  const counts = Array.from({ length: 64 }, (_, bin) => Math.round(4000 * Math.exp(-(((bin - 24) / 9) ** 2))));
  const [[low, high], set] = useState([-160, 240]);
  const window = { low, high, unit: 'HU', digits: 0, onChange: (from, to) => set([from, to]) };
  const histogram = { counts, min: -1024, max: 3071 };
  return html`<${WindowHistogram} histogram=${histogram} window=${window} />
    <${Histogram} id="story-window" heading=${t('histogram.band')} histogram=${histogram} window=${window} />`;
}

function Bands() {
  const [[low, high], set] = useState([2, 6]);
  const heights = Array.from({ length: 9 }, (_, index) => index / 8);
  return html`<${Chart} heights=${heights} stepped=${false} ends=${['0', '8']} label=${t('stories.filters')} describe=${String}>
    <${WindowBand} min=${0} max=${8} low=${low} high=${high} onChange=${(from, to) => set([from, to])} />
  <//>`;
}

function Timelines() {
  const at = '2026-01-31T10:15:30Z';
  const parts = [
    { name: 'decode', label: t('stories.menu'), seconds: 0.18 },
    { name: 'measure', label: t('stories.filters'), seconds: 0.06 },
  ];
  const steps = [
    { key: 'first', icon: 'upload', tone: 'quiet', label: t('nav.upload'), at, seconds: 0.4 },
    { key: 'second', icon: 'clock', tone: 'pending', label: t('state.received'), seconds: 95 },
    { key: 'third', icon: 'check', tone: 'good', label: t('state.processed'), at, detail: t('stories.text'), seconds: 0.24, parts },
  ];
  return html`<${Timeline} label=${t('stories.dialog')} steps=${steps} />`;
}

function Charts() {
  const heights = Array.from({ length: 24 }, (_, index) => 0.5 + Math.sin(index / 3) / 2);
  const rows = () => heights.map((height, index) => [String(index + 1), height.toFixed(2)]);
  return html`<${Chart}
      heights=${heights}
      stepped=${false}
      ends=${['1', '24']}
      label=${t('stories.filters')}
      describe=${(index) => `${index + 1}: ${heights[index].toFixed(2)}`}
    />
    <${DataTable} summary=${t('stories.dialog')} columns=${[t('stories.menu'), t('stories.filters')]} rows=${rows} />`;
}

function States() {
  return ['received', 'processed', 'failed', 'superseded'].map((state) => html`<${StateBadge} state=${state} /> `);
}

function Pagers() {
  return html`<${Pager} label=${t('table.sort')} from=${51} count=${50} total=${1234} first="#stories" previous="#stories" next="#stories" />`;
}

/** @type {[name: string, Story: any][]} */
export const DATA = [
  ['table', Tables],
  ['pager', Pagers],
  ['histogram', Histograms],
  ['window-histogram', Windows],
  ['window-band', Bands],
  ['chart', Charts],
  ['timeline', Timelines],
  ['state-badge', States],
];
