// What the server has of one's account: asked for when it is shown, and again after each change.

import { foreseen, request } from '../app/api.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

/** What was shown stays when it cannot be asked for anew. */
export function useLoaded(path) {
  const [shown, setShown] = useState(/** @type {{data: any, error: any}} */ ({ data: null, error: null }));
  const [again, setAgain] = useState(0);
  useEffect(() => {
    const leaving = new AbortController();
    request(path, { signal: leaving.signal }).then(
      (data) => setShown({ data, error: null }),
      (error) => {
        if (foreseen(error))
          setShown((old) => (old.data === null ? { data: null, error } : old));
        else if (error.name !== 'AbortError') throw error;
      },
    );
    return () => leaving.abort();
  }, [path, again]);
  return { ...shown, reload: () => setAgain((count) => count + 1) };
}
