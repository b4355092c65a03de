// The filters of the list: menus with counts, and what is in force as chips.

import { set } from '../app/filter.js';
import { nameOf, useNames } from '../app/directory.js';
import { t } from '../app/i18n.js';
import { DateRange, spanText } from '../ui/date-range.js';
import { FilterBar } from '../ui/filter-bar.js';
import { html } from '../ui/html.js';
import { chipsOf, oneOf, someOf, valuesOf } from '../ui/list-filters.js';
import { STATES } from './filter.js';

/** @param {import('../ui/list-filters.js').Filtered & {staff: boolean}} properties */
export function StudyFilters({ filter, facets, onChange, staff }) {
  const of = { filter, facets, onChange };
  const owners = staff ? valuesOf(of, 'owner') : [];
  useNames(owners.map((id) => `user:${id}`));
  const owner = (id) => nameOf(`user:${id}`) ?? t('owner.other', { id });
  const menus = [
    oneOf(of, 'state', t('studies.state'), STATES, (value) => t(`state.${value}`)),
    someOf(of, 'modality', t('studies.modality'), valuesOf(of, 'modality')),
    oneOf(of, 'device', t('studies.device'), valuesOf(of, 'device')),
    oneOf(of, 'owner', t('owner.heading'), owners, owner),
    oneOf(of, 'shared', t('studies.place'), ['false', 'true'], (value) => t(`shared.${value}`)),
  ].filter((menu) => menu.items.length > 0);
  const chips = chipsOf(filter, onChange, {
    date: (value) => t('chip.date', { value: spanText(value) }),
    owner: (value) => t('chip.owner', { value: owner(value) }),
    shared: (value) => t(`shared.${value === 'true'}`),
  });
  const range = (name, label) =>
    html`<${DateRange} label=${label} span=${filter[name] ?? ''} onChange=${(span) => onChange(set(filter, name, span))} />`;
  return html`<${FilterBar} label=${t('filter.heading')} menus=${menus} chips=${chips} onReset=${() => onChange({})}>
    ${range('date', t('studies.date'))} ${range('received', t('studies.received'))}
  <//>`;
}
