// Sharing several things with somebody: each by a request of its own; what is refused of one keeps none of the others.

import { ApiError, foreseen, request } from '../app/api.js';

/** @typedef {{thing: import('./things.js').Thing, error: any}} Refused */

/**
 * Share `things` on these `terms`; gives those that were refused. Throws what is the same for each of them.
 * @param {import('./things.js').Thing[]} things @param {Record<string, any>} terms @returns {Promise<Refused[]>}
 */
export async function shareAll(things, terms) {
  const refused = [];
  let over = null; // without a session nothing else can be asked
  for (const thing of things) {
    try {
      if (over !== null) throw over;
      await request('/api/shares', { method: 'POST', json: { ...thing.item, ...terms } });
    } catch (error) {
      if (!foreseen(error)) throw error;
      if (error instanceof ApiError && error.status === 401) over = error;
      refused.push({ thing, error });
    }
  }
  const [first] = refused;
  const same = ({ error }) => error.constructor === first.error.constructor && error.code === first.error.code;
  if (refused.length > 0 && refused.length === things.length && refused.every(same)) throw first.error;
  return refused;
}
