// The page of an address: its module and its sentences are loaded when it is first shown.

import { useEffect, useState } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { NetworkError } from './api.js';
import { loadAreas, t } from './i18n.js';

/**
 * `open`: without an account as well; `allowed`: to whom, where no one permission says so.
 * @typedef {{pattern?: RegExp, areas: string[], load: () => Promise<{View: any}>, permission?: string | null, open?: boolean,
 *   allowed?: (user: any) => boolean}} Route
 */

/** The route of a path with what its pattern found; null for none. */
export function routeOf(routes, path) {
  for (const route of routes) {
    const match = route.pattern.exec(path);
    if (match) return { route, parameters: match.slice(1).map(decoded) };
  }
  return null;
}

// A part that the pattern leaves open stays undefined.
function decoded(text) {
  if (text === undefined) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `properties` go to the page's component. */
export function Page({ route, ...properties }) {
  const [shown, setShown] = useState(/** @type {any} */ (null));
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let wanted = true;
    const put = (next) => wanted && setShown({ route, ...next });
    Promise.all([route.load(), loadAreas(route.areas)]).then(
      ([module]) => put({ View: module.View }),
      (error) => put({ error: new NetworkError('page', { cause: error }) }),
    );
    return () => {
      wanted = false;
    };
  }, [route, again]);
  if (shown?.route !== route) return html`<${Skeleton} />`;
  if (shown.error)
    return html`<section class="card">
      <${ErrorState} error=${shown.error} heading=${t('error.heading')} retry=${() => setAgain(again + 1)} />
    </section>`;
  return html`<${shown.View} ...${properties} />`;
}
