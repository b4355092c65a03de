// How a visit to a provider ended, as the address says it: once, and in this portal's own words only.

import { hasText } from '../app/i18n.js';
import { problemText } from '../app/problems.js';

const REFUSED = 'sign-in-refused';

/** The sentence of `?problem=<code>`, as a function for any language; null for none. Anybody can write an address. */
export function returnedProblem() {
  const { pathname, search } = window.location;
  const code = new URLSearchParams(search).get('problem');
  if (code === null) return null;
  window.history.replaceState(window.history.state, '', pathname);
  const known = code !== 'unknown' && hasText(`problem.${code}`);
  return () => problemText(known ? code : REFUSED);
}
