// The list of files and their measures, for those who measure.

import { pageAddress, rememberList, resultAddress } from '../app/addresses.js';
import { withQuery } from '../app/api.js';
import { retryAll } from '../app/actions.js';
import { t } from '../app/i18n.js';
import { Listing } from '../app/listing.js';
import { go } from '../app/router.js';
import { toast } from '../app/toasts.js';
import { LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { goTo, ListView, useListing } from '../ui/list-view.js';
import { linkSheet } from '../ui/sheet.js';
import { Empty } from '../ui/states.js';
import { useEffect } from '../vendor/hooks.mjs';
import { filterOf, parametersOf, queryOf, sortOf } from './filter.js';
import { FileFilters } from './filters.js';
import { useColumnsFor } from './row.js';

linkSheet(new URL('./results.css', import.meta.url));

const IDS_MOST = 300; // that one request may name
const keyOf = (row) => row.file_id;
const TEXTS = { count: 'list.count', countAtLeast: 'list.countAtLeast', found: 'list.found', fresh: 'list.fresh', noMatch: 'list.noMatch' };

function makeListing(query) {
  const filter = filterOf(query);
  return new Listing({ path: '/api/results', items: 'results', keyOf, filter, sort: sortOf(query), parameters: parametersOf });
}

/** `heading`: the key of its name; `above`: what stands on top. */
export function FileList({ work, place, heading, above = null }) {
  const listing = useListing(place, () => makeListing(place.query));
  const { filter, sort, facets } = listing;
  const { user } = work;
  const change = (next, order = sort) => goTo(place, queryOf(next, order));
  useEffect(rememberList, [place.key, place.query]);
  return html`<${ListView}
    name="files"
    listing=${listing}
    place=${place}
    work=${work}
    texts=${{ ...TEXTS, heading }}
    columns=${useColumnsFor(user, listing)}
    keysOf=${(change) => [change.file_id]}
    stateOf=${(row) => row.state}
    titleOf=${(row) => row.file_name || row.file_id}
    rowHeight=${60}
    narrowHeight=${92}
    choices=${choicesFor(listing, user)}
    above=${above}
    filters=${html`<${FileFilters}
      filter=${filter}
      facets=${facets}
      onChange=${(next) => change(next)}
      staff=${user.staff}
      userId=${user.user_id}
    />`}
    nothing=${html`<${Nothing} user=${user} />`}
    onOpen=${(row) => go(resultAddress(row.file_id))}
    onSort=${(order) => change(filter, order)}
    onReset=${() => change({})}
  />`;
}

/** What this reader may do with them; null for nothing. */
export function choicesFor(listing, user) {
  if (!user.permissions.includes('retry_dicomfile')) return null;
  const [a, b] = [...listing.selected];
  return [
    { label: t('bulk.retry'), icon: 'retry', onSelect: () => retry(listing) },
    {
      label: t('compare.two'),
      icon: 'compare',
      disabled: listing.selected.size !== 2 || listing.everything,
      onSelect: () => go(pageAddress(withQuery('/compare', { a, b }))),
    },
  ];
}

async function retry(listing) {
  const failed = listing.rows.filter((row) => row.state === 'failed' && listing.selected.has(row.file_id));
  if (listing.everything) {
    const { state } = listing.filter;
    if (state && !state.split(',').includes('failed')) return toast(t('bulk.noneFailed')); // none of what is listed
    const { owner, ...asked } = /** @type {any} */ (parametersOf(listing.filter));
    const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== ''));
    await retryAll({ where: { ...given, owner: owner && Number(owner), state: 'failed' } });
    return undefined;
  }
  if (failed.length === 0) toast(t('bulk.noneFailed'));
  for (let at = 0; at < failed.length; at += IDS_MOST) {
    if (await retryAll({ ids: failed.slice(at, at + IDS_MOST).map(keyOf) })) continue;
    const count = Math.max(failed.length - at - IDS_MOST, 0);
    return count > 0 && toast(t('bulk.notBegunFiles', { count }), 'bad');
  }
  return undefined;
}

function Nothing({ user }) {
  const may = user.permissions.includes('add_dicomfile');
  return html`<${Empty} icon="file" text=${t(may ? 'list.nothingYet' : 'list.nothingShared')}>
    ${may && html`<${LinkButton} href=${pageAddress('/upload')} label=${t('nav.upload')} icon="upload" kind="primary" />`}
  <//>`;
}
