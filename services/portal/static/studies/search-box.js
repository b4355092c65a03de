// The search over all studies, in the bar of every page and, on narrow ones, above the list.

import { pageAddress } from '../app/addresses.js';
import { usePlace } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { go } from '../app/router.js';
import { html } from '../ui/html.js';
import { SearchField } from '../ui/search-field.js';
import { filterOf, queryOf, sortOf, typed } from './filter.js';

/** @param {{narrow?: boolean}} properties `narrow`: the one above the list */
export function SearchBox({ narrow = false }) {
  const place = usePlace();
  const here = place.path === '/studies';
  const search = (text) => {
    const { q: _, ...others } = here ? filterOf(place.query) : /** @type {any} */ ({});
    const query = queryOf({ ...others, ...typed(text) }, here ? sortOf(place.query) : undefined);
    if (!here || query !== place.query) go(pageAddress(`/studies${query}`), { replace: here });
  };
  return html`<${SearchField}
    class=${narrow ? 'narrow' : 'wide'}
    label=${t('search.label')}
    hint=${t('search.hint')}
    value=${here ? (filterOf(place.query).q ?? '') : ''}
    onSearch=${search}
    rest=${(text) => typed(text).q ?? ''}
    eager=${here}
  >
    ${!narrow && html`<kbd aria-hidden="true">/</kbd>`}
  <//>`;
}
