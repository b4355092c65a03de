// A menu behind a button: arrows walk, Escape and a click elsewhere close.

import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { Icon } from './icon.js';
import { usePressOutside } from './outside.js';

/**
 * With an `href` it is a link, which the browser follows (into a window of its own where that is a page).
 * @typedef {{label: string, onSelect?: () => void, href?: string, checked?: boolean, group?: string, icon?: string,
 *   kind?: 'radio' | 'check'}} Item
 */

/**
 * `items` with the same `group` stand together below its name. Choosing closes, and gives the focus back.
 * `onToggle(open)` follows each opening and closing.
 * @param {{label: string, button: any, items: Item[], class?: string, onToggle?: (open: boolean) => void}} properties
 */
export function Menu({ label, button, items, class: extra = '', onToggle = () => {} }) {
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLDivElement} */ (null));
  const close = (focus) => {
    setOpen(false);
    if (focus) box.current.querySelector('button').focus();
  };

  const moved = useRef(false);
  useEffect(() => {
    if (moved.current) onToggle(open);
    moved.current = true;
  }, [open]);
  useLayoutEffect(() => {
    if (open) /** @type {HTMLElement} */ (box.current.querySelector('[role^="menuitem"]'))?.focus();
  }, [open]);
  usePressOutside(box, open, () => close(false));

  const onKey = (event) => {
    const all = /** @type {HTMLElement[]} */ ([...box.current.querySelectorAll('[role^="menuitem"]')]);
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const to = {
      ArrowDown: (at + 1) % all.length,
      ArrowUp: (at - 1 + all.length) % all.length,
      Home: 0,
      End: all.length - 1,
    }[event.key];
    if (event.key === 'Escape') close(true);
    else if (event.key === 'Tab') return close(false);
    else if (to !== undefined) all[to].focus();
    else return undefined;
    event.preventDefault();
    return undefined;
  };

  const groups = [...new Set(items.map((item) => item.group ?? ''))];
  return html`<div class=${`menu ${extra}`} ref=${box}>
    <button
      type="button"
      class="menu-button"
      aria-haspopup="menu"
      aria-expanded=${open}
      onClick=${() => setOpen(!open)}
    >
      ${button}
    </button>
    ${open &&
    html`<div class="menu-list" role="menu" aria-label=${label} tabindex="-1" onKeyDown=${onKey}>
      ${groups.map(
        (group) =>
          html`<div role="group" aria-label=${group || label} key=${group}>
            ${group && html`<div class="menu-group" aria-hidden="true">${group}</div>`}
            ${items
              .filter((item) => (item.group ?? '') === group)
              .map((item) => html`<${MenuItem} item=${item} done=${() => close(true)} />`)}
          </div>`,
      )}
    </div>`}
  </div>`;
}

function MenuItem({ item, done }) {
  const choose = () => {
    done();
    item.onSelect?.();
  };
  const inside = html`<span class="menu-mark">${(item.checked || item.icon) && html`<${Icon} name=${item.icon ?? 'check'} />`}</span>
    <span>${item.label}</span>`;
  if (item.href)
    return html`<a
      role="menuitem"
      tabindex="-1"
      class="menu-item"
      href=${item.href}
      target=${/^https?:/i.test(item.href) ? '_blank' : undefined}
      rel="noopener noreferrer"
      onClick=${() => done()}
      >${inside}</a
    >`;
  const role = item.checked === undefined ? 'menuitem' : `menuitem${item.kind === 'check' ? 'checkbox' : 'radio'}`;
  return html`<button
    type="button"
    role=${role}
    tabindex="-1"
    aria-checked=${item.checked}
    class="menu-item"
    onClick=${choose}
  >
    ${inside}
  </button>`;
}
