// What is shown of the server stays when it cannot be asked for anew, and says how old it is.

import { ApiError } from './api.js';

/**
 * `error`: why there is nothing; `stale`: what went wrong since the answer of `at`.
 * @typedef {{data: any, error: any, at: Date | null, stale: any}} Kept
 */

/** @type {Kept} */
export const NOTHING = { data: null, error: null, at: null, stale: null };

/** @returns {Kept} */
export function came(data) {
  return { ...NOTHING, data, at: new Date() };
}

/** After a failure: what was there before, unless it is not the reader's any more. @param {Kept} before @returns {Kept} */
export function failed(before, error) {
  const taken = error instanceof ApiError && [403, 404].includes(error.status);
  return before.data === null || taken ? { ...NOTHING, error } : { ...before, stale: error };
}
