// Which columns a reader wants to see of a list: kept in this browser, for each account.

import { t } from '../app/i18n.js';
import { useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { Icon } from './icon.js';
import { Menu } from './menu.js';

function stored(key) {
  try {
    const hidden = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(hidden) ? hidden : [];
  } catch {
    return [];
  }
}

/**
 * The columns that are to be shown, and the menu to choose them: [shown, menu].
 * @param {string} list its name @param {number | undefined} userId @param {import('./table.js').Column[]} columns
 */
export function useColumns(list, userId, columns) {
  const key = `dicom.columns.${list}.${userId ?? ''}`;
  const [hidden, setHidden] = useState(() => stored(key));
  const toggle = (name) => {
    const next = hidden.includes(name) ? hidden.filter((other) => other !== name) : [...hidden, name];
    if (next.length > 0) localStorage.setItem(key, JSON.stringify(next));
    else localStorage.removeItem(key);
    setHidden(next);
  };
  const items = columns
    .filter((column) => !column.fixed)
    .map((column) => ({
      label: column.label,
      kind: /** @type {const} */ ('check'),
      checked: !hidden.includes(column.name),
      onSelect: () => toggle(column.name),
    }));
  const button = html`<span>${t('table.columns')}</span><${Icon} name="chevron" />`;
  const menu = html`<${Menu} class="filter-menu columns-menu" label=${t('table.columns')} button=${button} items=${items} />`;
  return /** @type {const} */ ([columns.filter((column) => column.fixed || !hidden.includes(column.name)), menu]);
}
