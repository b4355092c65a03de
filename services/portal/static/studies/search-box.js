// The search over all studies, in the bar of every page and, on narrow ones, above the list.

import { pageAddress } from '../app/addresses.js';
import { usePlace } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { go } from '../app/router.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { filterOf, queryOf, sortOf, typed } from './filter.js';

const DELAY = 300; // milliseconds after the last letter

/** @param {{narrow?: boolean}} properties `narrow`: the one above the list */
export function SearchBox({ narrow = false }) {
  const place = usePlace();
  const here = place.path === '/studies';
  const asked = here ? (filterOf(place.query).q ?? '') : '';
  const [text, setText] = useState(asked);
  const timer = useRef(0);
  const field = useRef(/** @type {HTMLInputElement} */ (null));
  useEffect(() => {
    // Not while somebody types: what they see is theirs.
    if (document.activeElement !== field.current || asked === '') setText(asked);
  }, [asked, here]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const search = (value) => {
    clearTimeout(timer.current);
    const { q: _, ...others } = here ? filterOf(place.query) : /** @type {any} */ ({});
    const query = queryOf({ ...others, ...typed(value) }, here ? sortOf(place.query) : undefined);
    if (!here || query !== place.query) go(pageAddress(`/studies${query}`), { replace: here });
  };
  const onInput = (event) => {
    const { value } = event.currentTarget;
    setText(value);
    clearTimeout(timer.current);
    // A word with a colon may be a filter that is not typed yet.
    if (here && !/\S:\S*$/.test(value)) timer.current = setTimeout(() => search(value), DELAY);
  };
  const onSubmit = (event) => {
    event.preventDefault();
    search(text);
    setText(typed(text).q ?? '');
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
  return html`<form class=${`search-box ${narrow ? 'narrow' : 'wide'}`} role="search" onSubmit=${onSubmit}>
    <${Icon} name="search" />
    <input
      type="search"
      ref=${field}
      data-search
      maxlength="200"
      aria-label=${t('search.label')}
      placeholder=${t('search.hint')}
      value=${text}
      onInput=${onInput}
      onKeyDown=${onKey}
    />
    ${!narrow && html`<kbd aria-hidden="true">/</kbd>`}
  </form>`;
}
