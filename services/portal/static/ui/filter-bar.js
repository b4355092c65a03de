// Filters as menus, and what is in force as chips below.

import { t } from '../app/i18n.js';
import { Button } from './button.js';
import { Chip } from './chip.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { Menu } from './menu.js';

/**
 * `menus`: {name, label, items (of Menu)}; `chips`: {label, onRemove}.
 * @param {{label: string, menus: any[], chips: any[], onReset: () => void, children?: any}} properties
 */
export function FilterBar({ label, menus, chips, onReset, children = null }) {
  return html`<div class="filter-bar" role="group" aria-label=${label}>
    <div class="filter-menus">
      ${menus.map(
        (menu) =>
          html`<${Menu}
            key=${menu.name}
            class="filter-menu start"
            label=${menu.label}
            items=${menu.items}
            button=${html`<span>${menu.label}</span><${Icon} name="chevron" />`}
          />`,
      )}
      ${children}
    </div>
    ${chips.length > 0 &&
    html`<div class="chips">
      ${chips.map((chip) => html`<${Chip} key=${chip.label} ...${chip} />`)}
      <${Button} label=${t('chip.reset')} kind="plain" small onClick=${onReset} />
    </div>`}
  </div>`;
}
