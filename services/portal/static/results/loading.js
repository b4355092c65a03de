// One result with all that belongs to it, and brought up to date when it changes.

import { foreseen, request, resultPaths } from '../app/api.js';
import { came, failed, NOTHING } from '../app/kept.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

const MOST = 4096; // means of frames: more are no picture, and no table that anybody reads

/** What is asked for beside it and may be missing. Throws what is no answer of the server's. */
export async function askedFor(path, signal) {
  try {
    return await request(path, { signal });
  } catch (error) {
    if (foreseen(error)) return null;
    throw error;
  }
}

async function load(fileId, signal) {
  const result = await request(resultPaths(fileId).self, { signal });
  if (!result.statistics?.frame_means_stored) return result;
  const answer = await askedFor(resultPaths(fileId).frameMeans, signal);
  const means = answer === null ? result.statistics.frame_means : answer.frame_means.slice(0, MOST);
  return { ...result, statistics: { ...result.statistics, frame_means: means } };
}

/** The result of a file: {result, error, stale, at, reload}; without a result and an error while it comes. */
export function useResult(fileId, { live }) {
  const [shown, setShown] = useState({ of: fileId, ...NOTHING });
  const [again, setAgain] = useState(0);
  const reload = () => setAgain((count) => count + 1);
  useEffect(() => {
    const leaving = new AbortController();
    load(fileId, leaving.signal).then(
      (result) => setShown({ of: fileId, ...came(result) }),
      (error) => {
        if (foreseen(error)) setShown((before) => ({ of: fileId, ...failed(before.of === fileId ? before : NOTHING, error) }));
        else if (error.name !== 'AbortError') throw error;
      },
    );
    return () => leaving.abort();
  }, [fileId, again]);
  useEffect(() => {
    const changed = (/** @type {CustomEventInit} */ { detail }) => detail.file_id === fileId && reload();
    live.start();
    live.addEventListener('change', changed);
    live.addEventListener('resync', reload);
    return () => {
      live.removeEventListener('change', changed);
      live.removeEventListener('resync', reload);
    };
  }, [fileId, live]);
  const { data: result, ...more } = shown.of === fileId ? shown : NOTHING;
  return { result, ...more, again, reload };
}
