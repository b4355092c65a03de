// A search that begins by itself once nobody types any more.

import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { Icon } from './icon.js';

const DELAY = 300; // milliseconds after the last letter

/**
 * `value`: what is searched for; `rest(text)`: what of a submitted text stays in the field. `eager`: while typing as well.
 * @param {{label: string, hint: string, value: string, onSearch: (text: string) => void, rest?: (text: string) => string, eager?: boolean, maxlength?: number, class?: string, children?: any}} properties
 */
export function SearchField({ label, hint, value, onSearch, rest = (text) => text, eager = true, maxlength = 200, class: extra = '', children = null }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  const field = useRef(/** @type {HTMLInputElement} */ (null));
  useEffect(() => {
    // Not while somebody types: what they see is theirs.
    if (document.activeElement !== field.current || value === '') setText(value);
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const onInput = (event) => {
    const typed = event.currentTarget.value;
    setText(typed);
    clearTimeout(timer.current);
    // A word with a colon may be a filter that is not typed yet.
    if (eager && !/\S:\S*$/.test(typed)) timer.current = setTimeout(() => onSearch(typed), DELAY);
  };
  const onSubmit = (event) => {
    event.preventDefault();
    clearTimeout(timer.current);
    onSearch(text);
    setText(rest(text));
  };
  const onKey = (event) => {
    if (event.key === 'Escape') field.current.blur();
    else if (event.key === 'ArrowDown') {
      const row = /** @type {HTMLElement} */ (document.querySelector('.grid tbody [tabindex="0"]'));
      if (row === null) return;
      event.preventDefault();
      row.focus();
    }
  };
  return html`<form class=${`search-box ${extra}`} role="search" aria-label=${label} onSubmit=${onSubmit}>
    <${Icon} name="search" />
    <input
      type="search"
      ref=${field}
      data-search
      maxlength=${maxlength}
      aria-label=${label}
      placeholder=${hint}
      value=${text}
      onInput=${onInput}
      onKeyDown=${onKey}
    />
    ${children}
  </form>`;
}
