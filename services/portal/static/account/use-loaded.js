// What the server has of one's account: asked for when it is shown, and again after each change.

import { foreseen, request } from '../app/api.js';
import { came, failed, NOTHING } from '../app/kept.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

/** `data`, `error`, `at` and `stale` of app/kept.js, and `reload()`. */
export function useLoaded(path) {
  const [shown, setShown] = useState(NOTHING);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    const leaving = new AbortController();
    request(path, { signal: leaving.signal }).then(
      (data) => setShown(came(data)),
      (error) => {
        if (foreseen(error)) setShown((before) => failed(before, error));
        else if (error.name !== 'AbortError') throw error;
      },
    );
    return () => leaving.abort();
  }, [path, again]);
  return { ...shown, reload: () => setAgain((count) => count + 1) };
}
