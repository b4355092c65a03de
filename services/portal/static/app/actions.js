// What the reader has done with many files: begun on the server, followed until it ends, on whatever page they are.

import { ApiError, foreseen, NetworkError, request } from './api.js';
import { t } from './i18n.js';
import { errorText } from './problems.js';
import { toast } from './toasts.js';

const PAUSE = 1000; // milliseconds between two questions how far it is
const LONGEST = 30_000; // while the server does not say

/**
 * `total` is null until it is counted; `waits`: the server does not say how far it is, and is asked again by itself.
 * `again()` asks at once, `stop()` no more.
 * @typedef {{total: number | null, done: number, waits: boolean, again: () => void, stop: () => void}} Running
 */

/** Events: `change`. `running`: those that are not over. */
export const actions = new (class extends EventTarget {
  /** @type {Running[]} */
  running = [];

  /** Nobody is there any more who would follow them; on the server they go on. */
  leave() {
    for (const one of this.running) one.stop();
  }
})();

function tell() {
  actions.dispatchEvent(new Event('change'));
}

/**
 * Have failed files measured again: those that `ids` names, or that `where` finds; says in the end what came of it.
 * Gives whether the next may be begun: not where the server refused it, or the reader did not wait for the end.
 * @param {{ids?: string[], where?: Record<string, any>}} which
 */
export async function retryAll(which) {
  const leaving = new AbortController();
  /** @type {Running} */
  const shown = { total: null, done: 0, waits: false, again: () => {}, stop: () => leaving.abort() };
  actions.running = [...actions.running, shown];
  tell();
  try {
    const begun = await request('/api/results/actions', { method: 'POST', json: { action: 'retry', ...which }, signal: leaving.signal });
    const job = await follow(begun, shown, leaving.signal);
    if (job === null) {
      toast(t('bulk.lost'), 'bad');
      return true;
    }
    const left = begun.left_out ? begun.left_out.not_managed + begun.left_out.unknown : 0;
    const said = [t('bulk.done', { count: job.processed + job.failed }), job.failed > 0 && t('bulk.failed', { count: job.failed })];
    toast([...said, left > 0 && t('bulk.leftOut', { count: left })].filter(Boolean).join(' '), job.failed > 0 ? 'bad' : 'good');
    return true;
  } catch (error) {
    if (error.name === 'AbortError') return false;
    if (!foreseen(error)) throw error;
    toast(error instanceof ApiError && error.code === 'conflict' ? t('bulk.busy') : errorText(error), 'bad');
    return false;
  } finally {
    actions.running = actions.running.filter((one) => one !== shown);
    tell();
  }
}

// The job as it ended; null where the server knows none such any more.
async function follow(begun, shown, signal) {
  let job = begun;
  for (let failures = 0; ; ) {
    Object.assign(shown, { total: job.total, done: job.processed + job.failed, waits: failures > 0 });
    tell();
    if (job.state !== 'running') return job;
    await pause(Math.min(PAUSE * 2 ** failures, LONGEST), shown, signal);
    try {
      job = await request(`/api/results/actions/${encodeURIComponent(begun.id)}`, { signal });
      failures = 0;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      // That nobody could be asked says nothing of the job.
      if (!(error instanceof NetworkError) && !(error instanceof ApiError && error.passing)) throw error;
      failures += 1;
    }
  }
}

// Until the time has passed, a network is back, or somebody asks at once. Throws AbortError when `signal` fires.
async function pause(time, shown, signal) {
  const over = new AbortController();
  try {
    await new Promise((resolve, reject) => {
      signal.throwIfAborted();
      shown.again = resolve;
      signal.addEventListener('abort', () => reject(signal.reason), { signal: over.signal });
      window.addEventListener('online', resolve, { signal: over.signal });
      const timer = setTimeout(resolve, time);
      over.signal.addEventListener('abort', () => clearTimeout(timer));
    });
  } finally {
    over.abort();
  }
}
