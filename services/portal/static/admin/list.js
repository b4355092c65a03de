// The list of one resource: search, filters, order, pages, and what can be done with the rows that are chosen.

import { withQuery } from '../app/api.js';
import { announce } from '../app/announce.js';
import { useEvent } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { addressed } from '../app/link-mode.js';
import { go, keep } from '../app/router.js';
import { setTitle } from '../app/title.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { Button, LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Pager } from '../ui/pager.js';
import { Stale } from '../ui/stale.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { Table } from '../ui/table.js';
import { ActionBar } from './actions.js';
import { actionsFor, adminAddress, labelOf, may, nameOf, textOr } from './engine.js';
import { Facts } from './facts.js';
import { ListFilters } from './filters.js';
import { addressQuery, listQuery } from './query.js';
import { AdminRows } from './rows.js';
import { Trail } from './trail.js';

/** Where each page of a list began, as far as the reader went through them: number of its first row, page before. */
const places = new Map();

function rowsFor(descriptor, place) {
  const kept = keep(place.key);
  const of = `${place.path}${place.query}`;
  if (kept.admin === undefined || kept.of !== of)
    Object.assign(kept, { of, admin: new AdminRows(descriptor, listQuery(descriptor, place.query)), scroll: 0 });
  return kept;
}

/** @param {{descriptor: import('./engine.js').Descriptor, work: any, place: any}} properties */
export function ListPage({ descriptor, work, place }) {
  const kept = rowsFor(descriptor, place);
  /** @type {AdminRows} */
  const list = kept.admin;
  list.memory.returning = place.back;
  useEvent(list, 'change');
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));
  const [opened, setOpened] = useState(/** @type {any} */ (null));
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  const context = { user: work.user, names: (kind, id) => list.name(kind, id) };
  const actions = actionsFor(work.user, descriptor);
  const many = actions.filter((action) => action.many);

  useEffect(() => setTitle(() => nameOf(descriptor)), [descriptor]);
  useLayoutEffect(() => {
    setSelected(new Set());
    if (list.phase === 'ready' && place.back) window.scrollTo(0, kept.scroll ?? 0);
    else if (!document.activeElement?.matches('input, .chip, [role^="menuitem"], .menu-button, .grid-sort')) heading.current.focus();
    list.load({ quietly: list.phase === 'ready' });
    return () => list.stop();
  }, [list]);
  useEffect(() => {
    if (list.phase === 'ready' && list.total !== null) announce(t('admin.found', { count: list.total }));
  }, [list, list.phase]);

  const { refresh } = descriptor;
  useEffect(() => {
    if (!refresh) return undefined;
    // What is being chosen, or is not seen, stays as it is.
    const timer = setInterval(() => {
      if (!document.hidden && list.phase !== 'loading' && document.querySelector('dialog[open]') === null) list.load({ quietly: true });
    }, refresh * 1000);
    return () => clearInterval(timer);
  }, [list, refresh]);

  const { query } = list;
  const change = (next) => go(adminAddress(descriptor.name) + addressQuery(descriptor, next), { replace: true });
  const about = textOr(`admin.${descriptor.name}.about`, '');
  const narrowed = query.q !== '' || Object.keys(query.filters).length > 0;
  const open = (row) => {
    if (descriptor.href) go(descriptor.href(row));
    else if (descriptor.fields) go(adminAddress(descriptor.name, descriptor.key(row)));
    else setOpened(row);
  };
  return html`<div class="admin">
    <${Trail} />
    <div class="page-head">
      <h1 tabindex="-1" ref=${heading}>${nameOf(descriptor)}</h1>
      ${about !== '' && html`<p class="quiet">${about}</p>`}
      ${list.total !== null && html`<p class="quiet">${t('admin.total', { count: list.total })}</p>`}
      <div class="page-actions">
        <${Exports} descriptor=${descriptor} asked=${list.asked} user=${work.user} />
        ${may(work.user, descriptor, 'add') &&
        html`<${LinkButton} label=${t('admin.add')} icon="add" kind="primary" href=${adminAddress(descriptor.name, 'add')} />`}
      </div>
    </div>
    ${descriptor.Above && html`<${descriptor.Above} context=${context} list=${list} onDone=${() => list.load({ quietly: true })} />`}
    <${ListFilters} descriptor=${descriptor} query=${query} onChange=${change} />
    ${selected.size > 0 &&
    html`<${ActionBar}
      descriptor=${descriptor}
      actions=${many}
      rows=${list.rows.filter((row) => selected.has(descriptor.key(row)))}
      context=${context}
      onDone=${() => {
        setSelected(new Set());
        list.load({ quietly: true });
      }}
      onClear=${() => setSelected(new Set())}
    />`}
    ${list.stale && html`<${Stale} at=${list.at} error=${list.stale} retry=${() => list.load({ quietly: true })} />`}
    <${Rows}
      list=${list}
      descriptor=${descriptor}
      context=${context}
      narrowed=${narrowed}
      selected=${many.length > 0 ? selected : null}
      onSelect=${setSelected}
      onOpen=${open}
      onSort=${(sort) => change({ ...query, cursor: '', sort })}
      onReset=${() => change({ ...query, cursor: '', q: '', filters: {} })}
    />
    ${list.phase === 'ready' && list.rows.length > 0 && html`<${Pages} list=${list} descriptor=${descriptor} />`}
    ${opened !== null &&
    html`<${Facts}
      descriptor=${descriptor}
      row=${opened}
      context=${context}
      actions=${actions}
      onDone=${() => list.load({ quietly: true })}
      onClose=${() => setOpened(null)}
    />`}
  </div>`;
}

function Exports({ descriptor, asked: { cursor: _, sort: __, ...asked }, user }) {
  return (descriptor.exports ?? [])
    .filter(({ permission }) => user.permissions.includes(permission))
    .map(
      ({ name, icon, href }) =>
        html`<a key=${name} class="button small" href=${addressed(withQuery(href, { ...asked, format: name }))} download=${`${descriptor.name}.${name}`}>
          <${Icon} name=${icon} /><span>${t(`adminExport.${name}`)}</span>
        </a>`,
    );
}

// Whatever there is to say stands in the place of the rows.
function Rows({ list, descriptor, context, narrowed, selected, onSelect, onOpen, onSort, onReset }) {
  const { phase, rows, error } = list;
  if (phase === 'loading') return html`<section class="card"><${Skeleton} lines=${8} /></section>`;
  if (phase === 'error')
    return html`<section class="card"><${ErrorState} error=${error} retry=${() => list.load()} /></section>`;
  if (rows.length === 0)
    return html`<section class="card">
      <${Empty} icon=${narrowed ? 'search' : descriptor.icon} text=${t(narrowed ? 'admin.noMatch' : 'admin.empty')}>
        ${narrowed && html`<${Button} label=${t('admin.showAll')} icon="close" onClick=${onReset} />`}
      <//>
    </section>`;
  const columns = descriptor.columns.map((column) => ({
    ...column,
    label: labelOf(column),
    class: [column.class, column.wide && 'cell-wide'].filter(Boolean).join(' '),
    cell: (row) => column.cell(row, context),
  }));
  return html`<${Table}
    label=${nameOf(descriptor)}
    columns=${columns}
    rows=${rows}
    keyOf=${descriptor.key}
    rowHeight=${52}
    narrowHeight=${72}
    total=${list.total ?? -1}
    sort=${list.query.sort}
    onSort=${onSort}
    selected=${selected}
    onSelect=${onSelect}
    memory=${list.memory}
    onOpen=${onOpen}
  />`;
}

function Pages({ list, descriptor }) {
  const address = (cursor) => adminAddress(descriptor.name) + addressQuery(descriptor, { ...list.query, cursor });
  const here = address(list.query.cursor);
  const found = list.query.cursor === '' ? { from: 1, previous: null } : (places.get(here) ?? { from: null, previous: null });
  const next = list.next === null ? null : address(list.next);
  if (next !== null) places.set(next, { from: found.from === null ? null : found.from + list.rows.length, previous: here });
  return html`<${Pager}
    label=${t('admin.pages')}
    from=${found.from}
    count=${list.rows.length}
    total=${list.total}
    first=${list.query.cursor === '' ? null : address('')}
    previous=${found.previous}
    next=${next}
  />`;
}
