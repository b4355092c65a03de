// What became of accepted files, asked for where live changes may have been missed.

import { foreseen, request, withQuery } from '../app/api.js';

const PAGE = 500;
const MOST = 50; // studies that are asked for one by one

/**
 * Ask for the states of these files of this person; `learn(fileId, state)`. `studies`: of which they are. Trouble is
 * left for the next time.
 * @param {string[]} fileIds @param {Iterable<string>} studies
 */
export async function catchUp(fileIds, studies, userId, learn) {
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
    // Files that were there before, and may be anybody's.
    for (const study of wanted.size > 0 ? [...studies].slice(0, MOST) : [])
      (await request(withQuery('/api/results', { study, limit: PAGE }))).results.forEach(told);
  } catch (error) {
    if (!foreseen(error)) throw error;
  }
}
