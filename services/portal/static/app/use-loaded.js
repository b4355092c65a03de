// What the server has at one address: asked for when it is shown, and again at each `reload`.

import { foreseen, request } from './api.js';
import { came, failed, NOTHING } from './kept.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

/** `data`, `error`, `at` and `stale` of app/kept.js, `reload()`, and how often it was (`again`). */
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
  return { ...shown, again, reload: () => setAgain((count) => count + 1) };
}
