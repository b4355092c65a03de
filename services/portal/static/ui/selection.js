// Choosing rows: by their boxes, Space, Shift with a click or an arrow, Ctrl+A for all that are loaded.

import { t } from '../app/i18n.js';
import { useRef } from '../vendor/hooks.mjs';
import { html } from './html.js';

/** What a table needs to let rows be chosen; without `selected` nothing is. */
export function useSelection({ rows, keyOf, titleOf, selected, onSelect }) {
  const anchor = useRef(0);
  const range = (from, to) => {
    const [low, high] = from < to ? [from, to] : [to, from];
    onSelect(new Set([...selected, ...rows.slice(low, high + 1).map(keyOf)]));
  };
  const toggle = (index) => {
    const next = new Set(selected);
    const key = keyOf(rows[index]);
    if (!next.delete(key)) next.add(key);
    anchor.current = index;
    onSelect(next);
  };
  const everything = selected !== null && rows.length > 0 && rows.every((row) => selected.has(keyOf(row)));
  return {
    /** Whether the key was one of these. */
    onKey(event, at) {
      if (selected === null || rows.length === 0) return false;
      if (event.key === ' ') toggle(at);
      else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) onSelect(new Set(rows.map(keyOf)));
      else return false;
      return true;
    },
    extend(from, to) {
      if (selected !== null) range(from, to);
    },
    box(row, index) {
      const onClick = (event) => (event.shiftKey ? range(anchor.current, index) : toggle(index));
      return html`<input
        type="checkbox"
        tabindex="-1"
        aria-label=${[t('table.select'), titleOf?.(row)].filter(Boolean).join(': ')}
        checked=${selected.has(keyOf(row))}
        onClick=${onClick}
      />`;
    },
    all() {
      const onClick = () => onSelect(everything ? new Set() : new Set(rows.map(keyOf)));
      return html`<input type="checkbox" aria-label=${t('table.selectAll')} checked=${everything} onClick=${onClick} />`;
    },
  };
}
