// A list of shares or links: loaded page by page, with the names of those whom it speaks of.

import { ApiError, NetworkError, request, withQuery } from '../app/api.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { namesOf } from './directory.js';

const NOTHING = { rows: null, names: new Map(), cursor: null, error: null };

/**
 * `key`: what the answer calls its rows. `rows` is null until they are there; what was shown stays when it cannot be asked
 * for anew. Another `changed` asks again.
 */
export function useShares(path, query, key, changed = 0) {
  const of = withQuery(path, query);
  const [shown, setShown] = useState(
    /** @type {{rows: any[] | null, names: Map<string, string>, cursor: string | null, error: any}} */ (NOTHING),
  );
  const [again, setAgain] = useState(0);

  const load = async (before, cursor, signal) => {
    try {
      const page = await request(withQuery(path, { ...query, cursor }), { signal });
      const names = await namesOf(page[key], signal);
      setShown((old) => ({
        rows: [...before, ...page[key]],
        names: new Map([...(before.length > 0 ? old.names : []), ...names]),
        cursor: page.next_cursor,
        error: null,
      }));
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
      setShown((old) => (old.rows === null ? { ...NOTHING, error } : old));
    }
  };
  useEffect(() => setShown(NOTHING), [of]);
  useEffect(() => {
    const leaving = new AbortController();
    load([], null, leaving.signal);
    return () => leaving.abort();
  }, [of, changed, again]);
  const reload = () => setAgain((count) => count + 1);
  return { ...shown, reload, more: () => load(shown.rows, shown.cursor, undefined) };
}
