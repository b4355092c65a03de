// One page of a list: loaded by cursor, counted where the server counts, with the names of who owns its rows.

import { foreseen, request, withQuery } from '../app/api.js';
import { chosenHere, serverQuery } from './query.js';

export const PAGE = 50;

/** Events: `change`. `phase`: loading, ready or error. `total`: how many there are in all, or null. */
export class AdminRows extends EventTarget {
  #stop = new AbortController();
  #names = new Map();

  /**
   * @param {import('./engine.js').Descriptor} descriptor
   * @param {import('./query.js').ListQuery} query
   */
  constructor(descriptor, query) {
    super();
    this.descriptor = descriptor;
    this.query = query;
    this.phase = 'loading';
    this.rows = [];
    this.next = null;
    this.total = null;
    this.error = null;
    this.stale = null; // what went wrong since the answer of `at`
    this.at = /** @type {Date | null} */ (null);
    this.asked = {}; // what the server was asked
    this.answer = null; // whole, for what a page says beside its rows
    this.memory = {}; // the table's: which row is active
  }

  /** Load it, in place of whatever is there; `quietly`: the rows stay until the new ones are there. */
  async load({ quietly = false } = {}) {
    this.stop();
    const { signal } = this.#stop;
    const { descriptor, query } = this;
    if (!quietly) Object.assign(this, { phase: 'loading', rows: [], next: null, total: null, error: null });
    this.#tell();
    try {
      const found = descriptor.find && query.q ? await descriptor.find(query.q) : {};
      this.asked = { ...serverQuery(descriptor, query), ...found };
      const answer = await request(withQuery(descriptor.path, descriptor.local ? {} : { ...this.asked, limit: PAGE }), { signal });
      const all = answer[descriptor.list];
      const rows = descriptor.local ? chosenHere(descriptor, all, query) : all;
      const total = descriptor.local ? rows.length : (answer.total ?? null);
      await this.#learnNames(rows, signal);
      Object.assign(this, { phase: 'ready', rows, answer, total, next: answer.next_cursor ?? null, error: null, stale: null, at: new Date() });
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!foreseen(error)) throw error;
      // What is known stays, and says how old it is.
      if (quietly && this.at !== null) this.stale = error;
      else Object.assign(this, { phase: 'error', error, rows: [] });
    }
    this.#tell();
  }

  /** How an owner is called, or the number where nobody told. */
  name(kind, id) {
    return this.#names.get(`${kind} ${id}`) ?? `${id}`;
  }

  async #learnNames(rows, signal) {
    const wanted = { users: new Set(), groups: new Set() };
    for (const row of rows) {
      const { users = [], groups = [] } = this.descriptor.owners?.(row) ?? {};
      for (const id of users) wanted.users.add(id);
      for (const id of groups) wanted.groups.add(id);
    }
    await learn(this.#names, wanted, signal);
  }

  /** Nobody looks any more. */
  stop() {
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}

/** Put the names of these ids into `names`; without an answer they stay numbers. */
export async function learn(names, { users, groups }, signal) {
  const ids = (found) => [...found].slice(0, 200).join(',');
  if (users.size + groups.size === 0) return;
  try {
    const path = withQuery('/api/auth/directory', { users: ids(users), groups: ids(groups), limit: 200 });
    for (const { kind, id, name } of (await request(path, { signal })).entries) names.set(`${kind} ${id}`, name);
  } catch (error) {
    if (!foreseen(error)) throw error;
  }
}
