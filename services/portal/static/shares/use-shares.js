// A list of shares or links: loaded page by page, with the names of those whom it speaks of.

import { foreseen, request, withQuery } from '../app/api.js';
import { useNames } from '../app/directory.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { peopleOf } from './directory.js';

const NOTHING = { rows: null, cursor: null, error: null };

/**
 * `key`: what the answer calls its rows. `rows` is null until they are there; what was shown stays when it cannot be asked
 * for anew. Another `changed` asks again.
 */
export function useShares(path, query, key, changed = 0) {
  const of = withQuery(path, query);
  const [shown, setShown] = useState(
    /** @type {{rows: any[] | null, cursor: string | null, error: any}} */ (NOTHING),
  );
  const [again, setAgain] = useState(0);

  const load = async (before, cursor, signal) => {
    try {
      const page = await request(withQuery(path, { ...query, cursor }), { signal });
      setShown({ rows: [...before, ...page[key]], cursor: page.next_cursor, error: null });
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!foreseen(error)) throw error;
      setShown((old) => (old.rows === null ? { ...NOTHING, error } : old));
    }
  };
  useEffect(() => setShown(NOTHING), [of]);
  useEffect(() => {
    const leaving = new AbortController();
    load([], null, leaving.signal);
    return () => leaving.abort();
  }, [of, changed, again]);
  useNames(peopleOf(shown.rows ?? []));
  const reload = () => setAgain((count) => count + 1);
  return { ...shown, reload, more: () => load(shown.rows, shown.cursor, undefined) };
}
