// What became of accepted files, asked for where live changes may have been missed.

import { ApiError, NetworkError, request, resultPaths, withQuery } from '../app/api.js';

const PAGE = 500;
const MOST = 50; // files that are asked for one by one

/** Ask for the states of these files of this person; `learn(fileId, state)`. Trouble is left for the next time. */
export async function catchUp(fileIds, userId, learn) {
  const wanted = new Set(fileIds);
  const told = ({ file_id: id, state }) => wanted.delete(id) && learn(id, state);
  try {
    let cursor = '';
    // The newest are those that were just sent; the list has others of the same person in between.
    for (let pages = Math.ceil(wanted.size / PAGE) + 1; pages > 0 && wanted.size > 0 && cursor !== null; pages -= 1) {
      const page = await request(withQuery('/api/results', { owner: userId, limit: PAGE, cursor }));
      page.results.forEach(told);
      cursor = page.next_cursor;
    }
    for (const id of [...wanted].slice(0, MOST)) told(await request(resultPaths(id).self));
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
  }
}
