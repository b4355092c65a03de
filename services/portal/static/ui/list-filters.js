// The filters that lists have in common, as menus with counts and as chips.

import { formatNumber } from '../app/format.js';
import { set, toggled } from '../app/filter.js';
import { t } from '../app/i18n.js';
import { spanText } from './date-range.js';

/** @typedef {{filter: import('../app/filter.js').Filter, facets: any, onChange: (filter: import('../app/filter.js').Filter) => void}} Filtered */

function counted(facets, name) {
  return facets?.facets[name] ?? [];
}

function countOf(facets, name, value) {
  const found = counted(facets, name).find((entry) => entry.value === value);
  return facets === null ? '' : ` (${formatNumber(found?.count ?? 0)})`;
}

/** The values of a filter that its counts tell, with those that are chosen. */
export function valuesOf({ filter, facets }, name) {
  const chosen = (filter[name] ?? '').split(',').filter(Boolean);
  return [...new Set([...counted(facets, name).map((entry) => entry.value), ...chosen])];
}

/** A menu of which one value may be chosen. @param {Filtered} of */
export function oneOf(of, name, label, values, text = (value) => value) {
  const { filter, facets, onChange } = of;
  const items = values.map((value) => ({
    label: `${text(value)}${countOf(facets, name, value)}`,
    checked: filter[name] === value,
    onSelect: () => onChange(set(filter, name, filter[name] === value ? '' : value)),
  }));
  return { name, label, items };
}

/** A menu of which several values may be chosen. @param {Filtered} of */
export function someOf(of, name, label, values) {
  const { filter, facets, onChange } = of;
  const items = values.map((value) => ({
    label: `${value}${countOf(facets, name, value)}`,
    kind: 'check',
    checked: (filter[name] ?? '').split(',').includes(value),
    onSelect: () => onChange(toggled(filter, name, value)),
  }));
  return { name, label, items };
}

/** What is in force, one chip each; `labelled`: what to call a value of a filter. */
export function chipsOf(filter, onChange, labelled) {
  const texts = {
    q: (value) => t('chip.q', { value }),
    patient: (value) => t('chip.patient', { value }),
    device: (value) => t('chip.device', { value }),
    state: (value) => t(`state.${value}`),
    received: (value) => t('chip.received', { value: spanText(value) }),
    ...labelled,
  };
  return Object.entries(filter).flatMap(([name, value]) =>
    name === 'modality'
      ? value.split(',').map((each) => ({ label: each, onRemove: () => onChange(toggled(filter, name, each)) }))
      : [{ label: texts[name]?.(value) ?? value, onRemove: () => onChange(set(filter, name, '')) }],
  );
}
