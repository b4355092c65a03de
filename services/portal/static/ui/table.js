// A table of any length: only the rows in view stand in the page. One tab stop; arrows walk the rows.

import { t } from '../app/i18n.js';
import { shortcutsOn } from '../app/keys.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { Icon } from './icon.js';
import { useSelection } from './selection.js';
import { drawnRows, movedBy } from './window.js';

/**
 * @typedef {{name: string, label: string, cell: (row: any) => any, sort?: string, ascending?: boolean,
 *   class?: string, fixed?: boolean}} Column
 * `sort`: what the server calls it; `ascending`: first from low to high; `fixed`: always shown.
 */

/**
 * Rows have one height, `rowHeight` pixels on wide pages and `narrowHeight` below 48rem, as their sheet says too.
 * @param {{
 *   label: string, columns: Column[], rows: any[], keyOf: (row: any) => string, onOpen: (row: any) => void,
 *   onView?: (row: any) => void,
 *   sort?: string, onSort?: (sort: string) => void, onNearEnd?: () => void, onEnd?: () => Promise<any[]>,
 *   onSee?: (first: number, end: number) => void,
 *   total?: number, rowHeight?: number, narrowHeight?: number, memory?: {active?: string, returning?: boolean},
 *   selected?: Set<string>, onSelect?: (keys: Set<string>) => void, stateOf?: (row: any) => string,
 *   titleOf?: (row: any) => string,
 * }} properties
 */
export function Table({
  label,
  columns,
  rows,
  keyOf,
  onOpen,
  onView = null,
  sort = '',
  onSort = null,
  onNearEnd = () => {},
  onSee = () => {},
  onEnd = null,
  total = -1,
  rowHeight = 76,
  narrowHeight = 112,
  memory = {},
  selected = null,
  onSelect = null,
  stateOf = null,
  titleOf = null,
}) {
  const body = useRef(/** @type {HTMLTableSectionElement} */ (null));
  const [view, setView] = useState({ top: 0, height: window.innerHeight, rowHeight });
  const [active, setActive] = useState(memory.active ?? null);
  // The row that gets the focus once it is drawn.
  const focusing = useRef(/** @type {string | null} */ (memory.returning ? (memory.active ?? null) : null));
  const choice = useSelection({ rows, keyOf, titleOf, selected, onSelect });

  useLayoutEffect(() => {
    const measure = () => {
      const narrow = window.matchMedia('(max-width: 47.99rem)').matches;
      const box = body.current.getBoundingClientRect();
      setView({
        top: Math.max(-box.top, 0),
        height: window.innerHeight,
        rowHeight: narrow ? narrowHeight : rowHeight,
      });
    };
    measure();
    window.addEventListener('scroll', measure, { passive: true });
    window.addEventListener('resize', measure);
    return () => {
      window.removeEventListener('scroll', measure);
      window.removeEventListener('resize', measure);
    };
  }, []);

  const count = rows.length;
  const found = active === null ? -1 : rows.findIndex((row) => keyOf(row) === active);
  const at = Math.max(found, 0);
  const seen = { count, rowHeight: view.rowHeight, top: view.top, viewHeight: view.height };
  // The active row stays in the page wherever one scrolls: with it the focus would go.
  const drawn = drawnRows({ ...seen, keep: found });
  const [{ first: top, end }] = drawnRows(seen);
  const stop = found < 0 ? top : found;
  useEffect(() => onSee(top, end), [top, end]);
  useEffect(() => {
    if (end >= count - 20) onNearEnd();
  }, [end, count]);
  useLayoutEffect(() => {
    if (focusing.current === null) return;
    const row = /** @type {HTMLElement} */ (
      body.current.querySelector(`[data-key="${CSS.escape(focusing.current)}"]`)
    );
    if (row === null) return;
    focusing.current = null;
    row.focus({ preventScroll: true });
  });

  const walkTo = (index, list) => {
    const key = keyOf(list[index]);
    memory.active = key;
    focusing.current = key;
    setActive(key);
    reveal(body.current, index, view.rowHeight);
  };
  const onKey = async (event) => {
    if (event.target.closest('input, button') || event.altKey) return;
    if (event.key === 'Enter') onOpen(rows[at]);
    else if (event.key === 'v' && onView !== null && shortcutsOn() && !event.ctrlKey && !event.metaKey) onView(rows[at]);
    else if (choice.onKey(event, at)) event.preventDefault();
    else {
      const page = Math.max(Math.floor(view.height / view.rowHeight) - 2, 1);
      const to = movedBy(event.key, { at, count, page });
      if (to === null) return;
      event.preventDefault();
      if (event.shiftKey) choice.extend(at, to);
      const all = event.key === 'End' && onEnd !== null ? await onEnd() : rows;
      walkTo(event.key === 'End' ? all.length - 1 : to, all);
      return;
    }
    event.preventDefault();
  };

  const line = (row, index) => {
    const key = keyOf(row);
    return html`<tr
      key=${key}
      data-key=${key}
      data-state=${stateOf?.(row)}
      aria-rowindex=${index + 2}
      aria-selected=${selected === null ? undefined : String(selected.has(key))}
      tabindex=${index === stop ? 0 : -1}
      onfocusin=${() => {
        // Also when a link of the row gets it, by a click: keys are about the row that has the focus.
        memory.active = key;
        setActive(key);
      }}
      onClick=${(event) => !event.target.closest('a, button, input') && onOpen(row)}
    >
      ${selected !== null && html`<td class="grid-check">${choice.box(row, index)}</td>`}
      ${columns.map((column) => html`<td key=${column.name} class=${column.class}>${column.cell(row)}</td>`)}
    </tr>`;
  };
  const lines = drawn.flatMap(({ first, end: last }, part) => {
    const above = part === 0 ? 0 : drawn[part - 1].end;
    return [
      html`<${Spacer} key=${`above-${part}`} height=${(first - above) * view.rowHeight} />`,
      ...rows.slice(first, last).map((row, offset) => line(row, first + offset)),
    ];
  });
  return html`<table
    class=${`grid ${selected === null ? '' : 'selectable'}`}
    role="grid"
    aria-label=${label}
    aria-rowcount=${total >= 0 ? total + 1 : count + 1}
    aria-multiselectable=${selected === null ? undefined : 'true'}
  >
    <thead>
      <tr aria-rowindex="1">
        ${selected !== null && html`<th class="grid-check" scope="col">${choice.all()}</th>`}
        ${columns.map((column) => html`<${Head} key=${column.name} column=${column} sort=${sort} onSort=${onSort} />`)}
      </tr>
    </thead>
    <tbody ref=${body} onKeyDown=${onKey}>
      ${lines}
      <${Spacer} height=${(count - drawn.at(-1).end) * view.rowHeight} />
    </tbody>
  </table>`;
}

function reveal(body, index, rowHeight) {
  const bar = document.querySelector('.page-header')?.getBoundingClientRect().bottom ?? 0;
  const head = body.parentElement.tHead.getBoundingClientRect().height;
  const foot = document.querySelector('.site-nav')?.getBoundingClientRect();
  const bottom = foot && foot.top > bar ? foot.top : window.innerHeight;
  const top = body.getBoundingClientRect().top + index * rowHeight;
  if (top < bar + head) window.scrollBy(0, top - bar - head);
  else if (top + rowHeight > bottom) window.scrollBy(0, top + rowHeight - bottom);
}

function Spacer({ height }) {
  return height > 0 && html`<tr aria-hidden="true" class="grid-spacer"><td style=${{ height: `${height}px` }}></td></tr>`;
}

function Head({ column, sort, onSort }) {
  const mine = column.sort && sort.replace('-', '') === column.sort;
  const down = sort.startsWith('-');
  const order = down ? 'descending' : 'ascending';
  const up = mine ? down : column.ascending;
  const next = up ? column.sort : `-${column.sort}`;
  return html`<th scope="col" class=${column.class} aria-sort=${mine ? order : undefined}>
    ${column.sort && onSort
      ? html`<button type="button" class="grid-sort" title=${t('table.sort')} onClick=${() => onSort(next)}>
          <span>${column.label}</span>${mine && html`<${Icon} name=${down ? 'sort-down' : 'sort-up'} />`}
        </button>`
      : column.label}
  </th>`;
}
