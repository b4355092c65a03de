// Search and filters of a list: what is asked stands as chips, in the address, and nowhere else.

import { t } from '../app/i18n.js';
import { FilterBar } from '../ui/filter-bar.js';
import { html } from '../ui/html.js';
import { SearchField } from '../ui/search-field.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { labelOf, textOr } from './engine.js';

/** @param {{descriptor: import('./engine.js').Descriptor, query: any, onChange: (query: any) => void}} properties */
export function ListFilters({ descriptor, query, onChange }) {
  const filters = descriptor.filters ?? [];
  const choices = useChoices(filters);
  const set = (name, value) => {
    const { [name]: _, ...others } = query.filters;
    onChange({ ...query, cursor: '', filters: value ? { ...others, [name]: value } : others });
  };
  const shown = (filter, value) =>
    filter.text?.(value) ?? (choices[filter.name] ?? []).find((choice) => choice.value === value)?.label ?? value;
  const menus = filters
    .filter((filter) => filter.values || filter.load)
    .map((filter) => ({
      name: filter.name,
      label: labelOf(filter),
      items: (filter.values ?? (choices[filter.name] ?? []).map(({ value }) => value)).map((value) => ({
        label: shown(filter, value),
        checked: query.filters[filter.name] === value,
        onSelect: () => set(filter.name, query.filters[filter.name] === value ? '' : value),
      })),
    }))
    .filter((menu) => menu.items.length > 0);
  const chips = filters
    .filter(({ name }) => name in query.filters)
    .map((filter) => ({
      label: `${labelOf(filter)}: ${shown(filter, query.filters[filter.name])}`,
      onRemove: () => set(filter.name, ''),
    }));
  const typed = filters.filter((filter) => filter.typed);
  return html`<div class="admin-filters">
    ${(descriptor.search || descriptor.find || descriptor.local) &&
    html`<${Search} descriptor=${descriptor} asked=${query.q} onSearch=${(q) => onChange({ ...query, cursor: '', q })} />`}
    ${filters.length > 0 &&
    html`<${FilterBar}
      label=${t('admin.filters')}
      menus=${menus}
      chips=${chips}
      onReset=${() => onChange({ ...query, cursor: '', filters: {} })}
    >
      ${typed.map((filter) => html`<${Typed} key=${filter.name} filter=${filter} value=${query.filters[filter.name] ?? ''} onSet=${(value) => set(filter.name, value)} />`)}
    <//>`}
  </div>`;
}

// What a filter offers that only the server knows, e.g. groups.
function useChoices(filters) {
  const [choices, setChoices] = useState(/** @type {Record<string, any[]>} */ ({}));
  useEffect(() => {
    let wanted = true;
    for (const { name, load } of filters)
      load?.().then(
        (found) => wanted && setChoices((before) => ({ ...before, [name]: found })),
        () => {}, // the list itself says what is wrong
      );
    return () => {
      wanted = false;
    };
  }, [filters]);
  return choices;
}

function Typed({ filter, value, onSet }) {
  return html`<label class="filter-day">
    <span>${labelOf(filter)}</span>
    <input
      type=${filter.typed}
      value=${value}
      maxlength="256"
      onChange=${(event) => onSet(event.currentTarget.value.trim())}
    />
  </label>`;
}

function Search({ descriptor, asked, onSearch }) {
  const label = t('admin.searchIn', { what: textOr(`admin.${descriptor.name}.searched`, t(`admin.${descriptor.name}.many`)) });
  const search = (text) => text.trim() !== asked && onSearch(text.trim());
  return html`<${SearchField} class="admin-search" label=${label} hint=${label} value=${asked} maxlength=${150} onSearch=${search} />`;
}
