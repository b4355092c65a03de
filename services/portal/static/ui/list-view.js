// A list that its address describes: filters, counts, rows that follow what happens, and what is done with many.

import { announce } from '../app/announce.js';
import { pageAddress } from '../app/addresses.js';
import { useEvent } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { go, keep } from '../app/router.js';
import { setTitle } from '../app/title.js';
import { useEffect, useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { Button } from './button.js';
import { useColumns } from './columns.js';
import { html } from './html.js';
import { LiveMark } from './live-mark.js';
import { ActionsProgress, SelectionBar } from './selection-bar.js';
import { Stale } from './stale.js';
import { Empty, ErrorState, Skeleton } from './states.js';
import { Table } from './table.js';

/** @typedef {import('../app/listing.js').Listing} Listing */

const GATHER = 1000; // changes within this time are answered by one question

/** The rows of this address: those that were left, for who comes back to them. @returns {Listing} */
export function useListing(place, make) {
  const kept = keep(place.key);
  const of = `${place.path}${place.query}`;
  if (kept.listing === undefined || kept.of !== of) Object.assign(kept, { of, listing: make(), scroll: 0 });
  useEvent(kept.listing, 'change');
  return kept.listing;
}

/** Lead to the same list with another filter or order. */
export function goTo(place, query) {
  go(pageAddress(`${place.path}${query}`), { replace: true });
}

function atTheRows() {
  return document.activeElement?.closest('.grid tbody') !== null;
}

// The page as it was left, for who comes back; else the heading says where one is. Then rows, from now on.
function useArrival(listing, place, heading) {
  listing.memory.returning = place.back;
  useLayoutEffect(() => {
    if (listing.phase === 'ready' && place.back) {
      window.scrollTo(0, keep(place.key).scroll ?? 0);
      if (listing.memory.active === undefined) heading.current.focus({ preventScroll: true });
    } else if (!document.activeElement?.matches('input, .chip, .counter, [role^="menuitem"], .menu-button, .grid-sort')) {
      heading.current.focus();
    }
    if (listing.phase === 'ready') listing.refresh(null, calm(listing));
    else listing.load();
    return () => listing.stop();
  }, [listing]);
}

/** Whether new rows may come in by themselves: nobody is at the list. */
function calm(listing) {
  return () => window.scrollY === 0 && !atTheRows() && listing.selected.size === 0;
}

function useChanges(listing, live, keysOf) {
  useEffect(() => {
    /** @type {Set<string> | null} */
    let changed = new Set();
    let timer = 0;
    const soon = () => {
      timer ||= setTimeout(() => {
        const told = changed;
        timer = 0;
        changed = new Set();
        listing.refresh(told, calm(listing));
      }, GATHER);
    };
    const one = (/** @type {CustomEventInit} */ { detail }) => {
      for (const key of keysOf(detail)) changed?.add(key);
      soon();
    };
    const anything = () => {
      changed = null;
      soon();
    };
    live.start();
    live.addEventListener('change', one);
    live.addEventListener('resync', anything);
    return () => {
      clearTimeout(timer);
      live.removeEventListener('change', one);
      live.removeEventListener('resync', anything);
    };
  }, [listing, live]);
}

/**
 * `texts`: keys of its sentences; `keysOf(change)`: which rows a change is about; `choices`: what is done with those that
 * are chosen, `more` beside, nothing without; `nothing`: in place of a list that was never filled; `above` and `filters` stand over it.
 * @param {{
 *   name: string, listing: Listing, place: any, work: any, keysOf: (change: any) => string[], columns: import('./table.js').Column[],
 *   texts: {heading: string, count: string, countAtLeast: string, found: string, fresh: string, noMatch: string},
 *   onOpen: (row: any) => void, onView?: (row: any) => void, onSort: (sort: string) => void, onReset: () => void, nothing: any,
 *   choices?: any[] | null, more?: any, above?: any, filters?: any, stateOf?: (row: any) => string, titleOf?: (row: any) => string, rowHeight?: number, narrowHeight?: number,
 * }} properties
 */
export function ListView({ name, listing, place, work, keysOf, columns, texts, onReset, choices = null, more = null, above = null, filters = null, ...rows }) {
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  const [shown, menu] = useColumns(name, work.user.user_id, columns);
  useEffect(() => setTitle(() => t(texts.heading)), []);
  useArrival(listing, place, heading);
  useChanges(listing, work.live, keysOf);
  const { facets } = listing;
  useEffect(() => {
    if (listing.phase === 'ready' && facets !== null && Object.keys(listing.filter).length > 0)
      announce(t(texts.found, { count: facets.total }));
  }, [listing, listing.phase, facets?.total]);
  return html`<div class=${`list-view ${name}`}>
    ${above}
    <div class="page-head">
      <h1 tabindex="-1" ref=${heading}>${t(texts.heading)}</h1>
      ${facets !== null &&
      html`<p class="quiet">${t(facets.complete ? texts.count : texts.countAtLeast, { count: facets.total })}</p>`}
      <div class="page-actions"><${LiveMark} live=${work.live} />${menu}</div>
    </div>
    ${filters}
    ${listing.stale !== null && html`<${Stale} at=${listing.at} error=${listing.stale} retry=${() => listing.again()} />`}
    ${listing.fresh > 0 && html`<${Fresh} listing=${listing} text=${t(texts.fresh, { count: listing.fresh })} />`}
    <${ActionsProgress} />
    ${choices !== null && html`<${SelectionBar} listing=${listing} choices=${choices} more=${more} />`}
    <${Rows} listing=${listing} columns=${shown} label=${t(texts.heading)} noMatch=${t(texts.noMatch)} onReset=${onReset} choosing=${choices !== null} ...${rows} />
  </div>`;
}

function Fresh({ listing, text }) {
  const show = () => {
    window.scrollTo(0, 0);
    listing.load();
  };
  return html`<div class="fresh" role="status">
    <${Button} label=${text} icon="retry" small onClick=${show} />
  </div>`;
}

// Whatever there is to say stands in the place of the rows.
function Rows({ listing, label, noMatch, onReset, nothing, choosing, ...table }) {
  const { phase, rows, error, filter } = listing;
  if (phase === 'loading') return html`<section class="card"><${Skeleton} lines=${8} /></section>`;
  if (phase === 'error')
    return html`<section class="card"><${ErrorState} error=${error} retry=${() => listing.load()} /></section>`;
  if (rows.length === 0 && Object.keys(filter).length > 0)
    return html`<section class="card">
      <${Empty} icon="search" text=${noMatch}>
        <${Button} label=${t('chip.reset')} icon="close" onClick=${onReset} />
      <//>
    </section>`;
  if (rows.length === 0) return html`<section class="card">${nothing}</section>`;
  return html`<${Table}
    label=${label}
    rows=${rows}
    keyOf=${listing.keyOf}
    total=${listing.total}
    sort=${listing.sort}
    onSee=${(first, end) => listing.see(first, end)}
    onNearEnd=${() => listing.more()}
    onEnd=${() => listing.all()}
    memory=${listing.memory}
    selected=${choosing ? listing.selected : null}
    onSelect=${(keys) => listing.select(keys)}
    ...${table}
  />`;
}
