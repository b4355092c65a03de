// The rows of a list: pages by cursor, counts beside the filters, and what changed meanwhile.

import { foreseenOrStopped, request, withQuery } from './api.js';
import { LARGE, Pages } from './pages.js';

const PAGE = 50;
const AGAIN = 5000; // milliseconds after which a refresh that failed is tried again

/**
 * Events: `change`. `phase`: loading, ready or error (`error` says which). `fresh`: rows that came since and wait to be
 * shown. `stale`: what went wrong since the rows were those of `at`, or null. `selected`: keys of rows; `everything`: all
 * that match, also those that are not loaded.
 */
export class Listing extends EventTarget {
  #of;
  #stop = new AbortController();
  #loading = null;
  #refreshing = false;
  #showing = () => true;
  #timer = 0;
  #pages;

  /**
   * `path` answers with rows as `items`, `path`/facets with their counts; `parameters` makes a query of the filter.
   * @param {{path: string, items: string, keyOf: (row: any) => string, filter: any, sort: string, parameters: (filter: any) => any, counting?: boolean}} of
   */
  constructor(of) {
    super();
    this.#of = of;
    this.keyOf = of.keyOf;
    this.filter = of.filter;
    this.sort = of.sort;
    this.phase = 'loading';
    this.#pages = new Pages(of.keyOf);
    this.facets = null;
    this.error = null;
    this.fresh = 0;
    this.stale = this.at = null;
    this.selected = new Set();
    this.everything = false;
    this.memory = {}; // the table's: which row is active
  }

  /** Those that are loaded. */
  get rows() {
    return this.#pages.rows;
  }

  /** Where those that are not begin; null: there are none. */
  get cursor() {
    return this.#pages.cursor;
  }

  /** How many rows there are; -1 while nobody knows. */
  get total() {
    return this.cursor === null && this.phase === 'ready' ? this.rows.length : (this.facets?.total ?? -1);
  }

  /** Choose rows, or with `everything` all that match. */
  select(keys, everything = false) {
    Object.assign(this, { selected: keys, everything });
    this.#tell();
  }

  /** Load the first page, in place of whatever is there. */
  async load() {
    this.stop();
    const { signal } = this.#stop;
    this.#loading = null;
    this.#pages.clear();
    Object.assign(this, { phase: 'loading', error: null, fresh: 0, stale: null });
    this.select(new Set());
    this.#count(signal);
    try {
      this.#pages.append(await this.#page(null, PAGE, signal), null, PAGE);
      Object.assign(this, { phase: 'ready', at: new Date() });
    } catch (error) {
      if (!foreseenOrStopped(error)) throw error;
      if (error.name === 'AbortError') return;
      Object.assign(this, { phase: 'error', error });
    }
    this.#tell();
    await this.#catchUp();
  }

  /** Load the next page, if there is one; one at a time. */
  more(limit = PAGE) {
    if (this.phase !== 'ready' || this.cursor === null) return Promise.resolve();
    if (this.#loading === null) {
      const loading = this.#next(limit).finally(() => {
        if (this.#loading !== loading) return; // all is loaded anew
        this.#loading = null;
        this.#catchUp();
      });
      this.#loading = loading;
    }
    return this.#loading;
  }

  async #next(limit) {
    const from = this.cursor;
    try {
      this.#pages.append(await this.#page(from, limit, this.#stop.signal), from, limit);
      if (this.#pages.waiting === undefined) this.stale = null;
    } catch (error) {
      if (!foreseenOrStopped(error)) throw error;
      if (error.name === 'AbortError') return;
      this.stale = error;
    }
    this.#tell();
  }

  /** Load all that is left. Gives the rows; where some could not be had `cursor` says so, and `stale` why. */
  async all() {
    await this.#loading;
    for (let before; this.cursor !== null && this.cursor !== before; ) {
      before = this.cursor;
      await this.more(LARGE);
    }
    return this.rows;
  }

  /**
   * Something changed: bring the rows of `changed` (null: all) up to date in place, wherever they are. New ones on top
   * are counted, or shown when `showing()`.
   * @param {Set<string> | null} changed @param {() => boolean} showing
   */
  async refresh(changed, showing) {
    if (this.phase === 'error') return;
    this.#showing = showing;
    this.#pages.note(changed);
    await this.#catchUp();
  }

  /** The rows from `first` up to `end` are in view: if they have changed they are asked for now. */
  see(first, end) {
    this.#pages.seen = { first, end };
    if (this.#timer === 0) this.#catchUp();
  }

  // Ask for what has changed, as soon as no rows are on their way that may say what was before.
  async #catchUp() {
    if (!this.#pages.behind || this.#refreshing || this.#loading !== null || this.phase !== 'ready') return;
    const changed = this.#pages.waiting ?? new Set();
    this.#refreshing = true;
    const { signal } = this.#stop;
    const numbers = this.#pages.asked();
    try {
      await this.#count(signal);
      signal.throwIfAborted();
      for (const number of numbers) {
        const { cursor, limit } = this.#pages.at(number);
        const fresh = this.#pages.merge(await this.#page(cursor, limit, signal), number, this.#showing);
        if (number === 0) this.fresh = fresh;
      }
      if (this.#pages.waiting === undefined) Object.assign(this, { stale: null, at: new Date() });
    } catch (error) {
      if (!foreseenOrStopped(error)) throw error;
      if (error.name !== 'AbortError') this.#askLater(changed, error);
    } finally {
      if (!signal.aborted) this.#refreshing = false;
    }
    if (signal.aborted) return; // what came in its place knows what waits
    this.#tell();
    if (this.#timer === 0) await this.#catchUp();
  }

  /** Ask at once for what failed. */
  again() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    return this.#pages.waiting === undefined ? this.more() : this.#catchUp();
  }

  #askLater(changed, error) {
    this.stale = error;
    this.#pages.note(changed);
    this.#timer ||= window.setTimeout(() => {
      this.#timer = 0;
      this.#catchUp();
    }, AGAIN);
  }

  async #count(signal) {
    if (this.#of.counting === false) return;
    try {
      this.facets = await request(withQuery(`${this.#of.path}/facets`, this.#of.parameters(this.filter)), { signal });
    } catch (error) {
      if (!foreseenOrStopped(error)) throw error;
      return; // the list itself says what is wrong
    }
    this.#tell();
  }

  async #page(cursor, limit, signal) {
    const query = { ...this.#of.parameters(this.filter), sort: this.sort, limit, cursor };
    const answer = await request(withQuery(this.#of.path, query), { signal });
    return { rows: answer[this.#of.items], next: answer.next_cursor };
  }

  /** Stop loading: nobody looks any more. */
  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#refreshing = false;
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}
