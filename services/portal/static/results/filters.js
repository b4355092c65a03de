// Above the list of files: how many are in each state, a search, menus, and what is in force.

import { set } from '../app/filter.js';
import { nameOf, useNames } from '../app/directory.js';
import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { DateRange } from '../ui/date-range.js';
import { FilterBar } from '../ui/filter-bar.js';
import { html } from '../ui/html.js';
import { chipsOf, oneOf, valuesOf } from '../ui/list-filters.js';
import { SearchField } from '../ui/search-field.js';
import { STATES, typed } from './filter.js';

const TONES = { received: 'pending', processed: 'good', failed: 'bad' };

/** @param {import('../ui/list-filters.js').Filtered & {staff: boolean, userId: number | undefined}} properties */
export function FileFilters({ filter, facets, onChange, staff, userId }) {
  const of = { filter, facets, onChange };
  const owners = staff ? valuesOf(of, 'owner') : [];
  useNames(owners.map((id) => `user:${id}`));
  const owner = (id) => ownerName(Number(id), userId);
  const menus = [
    oneOf(of, 'state', t('list.state'), [...STATES, 'superseded'], (value) => t(`state.${value}`)),
    oneOf(of, 'modality', t('list.modality'), valuesOf(of, 'modality')),
    oneOf(of, 'device', t('list.device'), valuesOf(of, 'device')),
    oneOf(of, 'owner', t('owner.heading'), owners, owner),
  ].filter((menu) => menu.items.length > 0);
  const chips = chipsOf(filter, onChange, { owner: (value) => t('chip.owner', { value: owner(value) }) });
  const search = (text) => {
    const { q: _, ...others } = filter;
    const next = { ...others, ...typed(text) };
    if (JSON.stringify(next) !== JSON.stringify(filter)) onChange(next);
  };
  return html`
    <${Counters} filter=${filter} facets=${facets} onChange=${onChange} />
    <div class="file-filters">
      <${SearchField} label=${t('list.search')} hint=${t('list.searchHint')} value=${filter.q ?? ''} onSearch=${search} rest=${(text) => typed(text).q ?? ''} />
      <${FilterBar} label=${t('filter.heading')} menus=${menus} chips=${chips} onReset=${() => onChange({})}>
        <${DateRange}
          label=${t('list.received')}
          span=${filter.received ?? ''}
          onChange=${(span) => onChange(set(filter, 'received', span))}
        />
      <//>
    </div>
  `;
}

/** Who has sent a file. */
export function ownerName(id, userId) {
  return id === userId ? t('owner.you') : (nameOf(`user:${id}`) ?? t('owner.other', { id: String(id) }));
}

/** How many of what the other filters find are in each state; each number is a filter too. */
function Counters({ filter, facets, onChange }) {
  const found = new Map((facets?.facets.state ?? []).map(({ value, count }) => [value, count]));
  const of = (state) => (facets === null ? null : (found.get(state) ?? 0));
  const total = facets === null ? null : STATES.reduce((sum, state) => sum + of(state), 0);
  const one = (name, count, tone, state) =>
    html`<button
      type="button"
      key=${name}
      class=${`counter tone-${tone}`}
      data-counter=${name}
      aria-pressed=${String((filter.state ?? '') === state)}
      onClick=${() => onChange(set(filter, 'state', state))}
    >
      <span class="counter-number">${formatNumber(count)}</span> <span class="counter-name">${t(`counters.${name}`)}</span>
    </button>`;
  return html`<div class="counters" role="group" aria-label=${t('counters.heading')}>
    ${['received', 'processed', 'failed'].map((state) => one(state, of(state), TONES[state], state))}
    ${one('total', total, 'quiet', '')}
  </div>`;
}
