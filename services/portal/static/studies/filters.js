// The filters of the list: menus with counts, and what is in force as chips.

import { formatDay } from '../app/format.js';
import { t } from '../app/i18n.js';
import { formatNumber } from '../app/format.js';
import { FilterBar } from '../ui/filter-bar.js';
import { html } from '../ui/html.js';
import { set, STATES, toggled } from './filter.js';

const SPANS = ['1d', '7d', '30d', '365d'];

/**
 * @param {{filter: import('./filter.js').Filter, facets: any, onChange: (filter: import('./filter.js').Filter) => void}} properties
 */
export function StudyFilters({ filter, facets, onChange }) {
  const counted = (name) => facets?.facets[name] ?? [];
  const count = (name, value) => {
    const found = counted(name).find((entry) => entry.value === value);
    return facets === null ? '' : ` (${formatNumber(found?.count ?? 0)})`;
  };
  const choices = (name, values, label) =>
    values.map((value) => ({
      label: `${label(value)}${count(name, value)}`,
      checked: filter[name] === value,
      onSelect: () => onChange(set(filter, name, filter[name] === value ? '' : value)),
    }));
  const modalities = [
    ...new Set([...counted('modality').map((entry) => entry.value), ...(filter.modality ?? '').split(',').filter(Boolean)]),
  ];
  const menus = [
    { name: 'state', label: t('studies.state'), items: choices('state', STATES, (value) => t(`state.${value}`)) },
    {
      name: 'modality',
      label: t('studies.modality'),
      items: modalities.map((value) => ({
        label: `${value}${count('modality', value)}`,
        kind: 'check',
        checked: (filter.modality ?? '').split(',').includes(value),
        onSelect: () => onChange(toggled(filter, 'modality', value)),
      })),
    },
    {
      name: 'received',
      label: t('studies.received'),
      items: SPANS.map((value) => ({
        label: t(`span.${value}`),
        checked: filter.received === value,
        onSelect: () => onChange(set(filter, 'received', filter.received === value ? '' : value)),
      })),
    },
    { name: 'device', label: t('studies.device'), items: choices('device', counted('device').map((entry) => entry.value), (value) => value) },
    { name: 'shared', label: t('studies.place'), items: choices('shared', ['false', 'true'], (value) => t(`shared.${value}`)) },
  ].filter((menu) => menu.items.length > 0);
  const day = (name) =>
    html`<label class="filter-day">
      <span>${t(`studies.${name}`)}</span>
      <input
        type="date"
        value=${filter[name] ?? ''}
        onChange=${(event) => onChange(set(filter, name, event.currentTarget.value))}
      />
    </label>`;
  return html`<${FilterBar}
    label=${t('studies.filters')}
    menus=${menus}
    chips=${chipsOf(filter, onChange)}
    onReset=${() => onChange({})}
  >
    ${day('study_from')} ${day('study_to')}
  <//>`;
}

function chipsOf(filter, onChange) {
  const one = (name, label) => ({ label, onRemove: () => onChange(set(filter, name, '')) });
  const labelled = {
    q: (value) => t('chip.q', { value }),
    patient: (value) => t('chip.patient', { value }),
    device: (value) => t('chip.device', { value }),
    state: (value) => t(`state.${value}`),
    received: (value) => (SPANS.includes(value) ? t(`span.${value}`) : t('chip.received', { value })),
    study_from: (value) => t('chip.from', { value: formatDay(value) }),
    study_to: (value) => t('chip.to', { value: formatDay(value) }),
    shared: (value) => t(`shared.${value === 'true'}`),
  };
  return Object.entries(filter).flatMap(([name, value]) =>
    name === 'modality'
      ? value.split(',').map((each) => ({ label: each, onRemove: () => onChange(toggled(filter, name, each)) }))
      : [one(name, labelled[name](value))],
  );
}
