// The studies of one filter: pages by cursor, counts beside the filters, and what changed meanwhile.

import { ApiError, NetworkError, request, withQuery } from '../app/api.js';

const PAGE = 50;
const LARGE = 500; // for those who go to the end

/** What tells one study of a list from another: the same UID may lie in several collections. */
export function keyOf(study) {
  return `${study.study_instance_uid} ${study.collection}`;
}

/**
 * Events: `change`. `phase`: loading, ready or error (`error` says which). `fresh`: studies that came since and wait to
 * be shown. `stale`: when refreshing began to fail, or null.
 */
export class StudyRows extends EventTarget {
  #stop = new AbortController();
  #loading = null;
  #refreshing = false;

  constructor(filter, sort) {
    super();
    this.filter = filter;
    this.sort = sort;
    this.phase = 'loading';
    this.rows = [];
    this.cursor = null;
    this.facets = null;
    this.error = null;
    this.fresh = 0;
    this.stale = null;
    this.memory = {}; // the table's: which row is active
  }

  /** Load the first page, in place of whatever is there. */
  async load() {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#loading = null;
    Object.assign(this, { phase: 'loading', rows: [], cursor: null, error: null, fresh: 0, stale: null });
    this.#tell();
    this.#count(signal);
    try {
      const page = await this.#page(null, PAGE, signal);
      Object.assign(this, { phase: 'ready', rows: page.studies, cursor: page.next_cursor });
    } catch (error) {
      if (!this.#expected(error)) throw error;
      if (error.name === 'AbortError') return;
      Object.assign(this, { phase: 'error', error });
    }
    this.#tell();
  }

  /** Load the next page, if there is one; one at a time. */
  more(limit = PAGE) {
    if (this.phase !== 'ready' || this.cursor === null) return Promise.resolve();
    this.#loading ??= this.#next(limit).finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async #next(limit) {
    try {
      const page = await this.#page(this.cursor, limit, this.#stop.signal);
      const known = new Set(this.rows.map(keyOf));
      this.rows = [...this.rows, ...page.studies.filter((study) => !known.has(keyOf(study)))];
      this.cursor = page.next_cursor;
      this.stale = null;
    } catch (error) {
      if (!this.#expected(error)) throw error;
      if (error.name === 'AbortError') return;
      this.stale ??= new Date();
    }
    this.#tell();
  }

  /** Load all that is left. Gives the rows. */
  async all() {
    await this.#loading;
    let before = -1;
    while (this.cursor !== null && this.rows.length > before && this.stale === null) {
      before = this.rows.length;
      await this.more(LARGE);
    }
    return this.rows;
  }

  /** Something changed: bring known rows up to date in place; new ones are counted, or shown when `showing()`. */
  async refresh(showing) {
    if (this.phase !== 'ready' || this.#refreshing) return;
    this.#refreshing = true;
    const { signal } = this.#stop;
    try {
      const page = await this.#page(null, PAGE, signal);
      await this.#count(signal);
      this.#merge(page, showing());
      this.stale = null;
    } catch (error) {
      if (!this.#expected(error)) throw error;
      if (error.name !== 'AbortError') this.stale ??= new Date();
    } finally {
      this.#refreshing = false;
    }
    this.#tell();
  }

  #merge(page, showing) {
    const latest = new Map(page.studies.map((study) => [keyOf(study), study]));
    const known = new Set(this.rows.map(keyOf));
    const fresh = page.studies.filter((study) => !known.has(keyOf(study)));
    const end = page.studies.length > 0 && page.next_cursor !== null ? keyOf(page.studies.at(-1)) : null;
    const covered = end === null ? this.rows.length : this.rows.findIndex((study) => keyOf(study) === end);
    // What stood within this page and is gone matches no more, or is not theirs any more.
    const kept = this.rows.filter((study, index) => index > covered || latest.has(keyOf(study)));
    this.rows = kept.map((study) => latest.get(keyOf(study)) ?? study);
    this.fresh = showing ? 0 : fresh.length;
    if (showing && fresh.length > 0) {
      const below = this.rows.filter((study) => !latest.has(keyOf(study)));
      this.rows = [...page.studies, ...below];
      if (below.length === 0) this.cursor = page.next_cursor;
    }
  }

  async #count(signal) {
    try {
      this.facets = await request(withQuery('/api/studies/facets', this.filter), { signal });
    } catch (error) {
      if (!this.#expected(error)) throw error;
      return; // the list itself says what is wrong
    }
    this.#tell();
  }

  #page(cursor, limit, signal) {
    return request(withQuery('/api/studies', { ...this.filter, sort: this.sort, limit, cursor }), { signal });
  }

  #expected(error) {
    return error instanceof ApiError || error instanceof NetworkError || error.name === 'AbortError';
  }

  /** Stop loading: nobody looks any more. */
  stop() {
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}
