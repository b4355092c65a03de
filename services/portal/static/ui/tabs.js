// Panels behind tabs: arrows walk, what is walked to is shown.

import { useRef } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./tabs.css', import.meta.url));

/**
 * `children`: the panel of the tab that is chosen. `name` tells the tabs of one page apart.
 * @param {{name: string, label: string, tabs: {key: string, label: string}[], chosen: string,
 *   onChoose: (key: string) => void, children?: any}} properties
 */
export function Tabs({ name, label, tabs, chosen, onChoose, children }) {
  const list = useRef(/** @type {HTMLDivElement} */ (null));
  const onKey = (event) => {
    const at = tabs.findIndex((tab) => tab.key === chosen);
    const to = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at - 1 + tabs.length) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    onChoose(tabs[to].key);
    /** @type {HTMLElement} */ (list.current.children[to]).focus();
  };
  return html`<div class="tabs">
    <div class="tab-list" role="tablist" aria-label=${label} ref=${list} onKeyDown=${onKey}>
      ${tabs.map(
        (tab) =>
          html`<button
            key=${tab.key}
            type="button"
            role="tab"
            id=${`${name}-tab-${tab.key}`}
            aria-selected=${String(tab.key === chosen)}
            aria-controls=${`${name}-panel`}
            tabindex=${tab.key === chosen ? 0 : -1}
            onClick=${() => onChoose(tab.key)}
          >
            ${tab.label}
          </button>`,
      )}
    </div>
    <div class="tab-panel" role="tabpanel" id=${`${name}-panel`} aria-labelledby=${`${name}-tab-${chosen}`}>${children}</div>
  </div>`;
}
