// What the reader has done with many files: begun on the server, followed until it ends, on whatever page they are.

import { ApiError, foreseen, request } from './api.js';
import { t } from './i18n.js';
import { errorText } from './problems.js';
import { toast } from './toasts.js';

const PAUSE = 1000; // milliseconds between two questions how far it is

/** Events: `change`. `running`: {total, done} of each that is not over; total is null until it is counted. */
export const actions = new (class extends EventTarget {
  /** @type {{total: number | null, done: number}[]} */
  running = [];
})();

function tell() {
  actions.dispatchEvent(new Event('change'));
}

/**
 * Have failed files measured again: those that `ids` names, or that `where` finds; says in the end what came of it.
 * Gives whether the server took it.
 * @param {{ids?: string[], where?: Record<string, any>}} which
 */
export async function retryAll(which) {
  const shown = { total: null, done: 0 };
  actions.running = [...actions.running, shown];
  tell();
  try {
    const job = await follow(await request('/api/results/actions', { method: 'POST', json: { action: 'retry', ...which } }), shown);
    const left = job.left_out ? job.left_out.not_managed + job.left_out.unknown : 0;
    const said = [t('bulk.done', { count: job.processed + job.failed }), job.failed > 0 && t('bulk.failed', { count: job.failed })];
    toast([...said, left > 0 && t('bulk.leftOut', { count: left })].filter(Boolean).join(' '), job.failed > 0 ? 'bad' : 'good');
    return true;
  } catch (error) {
    if (!foreseen(error)) throw error;
    toast(error instanceof ApiError && error.code === 'conflict' ? t('bulk.busy') : errorText(error), 'bad');
    return false;
  } finally {
    actions.running = actions.running.filter((one) => one !== shown);
    tell();
  }
}

async function follow(begun, shown) {
  let job = begun;
  for (;;) {
    Object.assign(shown, { total: job.total, done: job.processed + job.failed });
    tell();
    if (job.state !== 'running') return { ...job, left_out: begun.left_out };
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    job = await request(`/api/results/actions/${encodeURIComponent(begun.id)}`);
  }
}
