// The rows of a list that are loaded, page by page, and which may be out of date; no requests.

export const LARGE = 500; // rows of a page, for those who go to the end
const MOST = 12; // pages that are asked for anew at once

export class Pages {
  #keyOf;
  /** @type {{cursor: string | null, limit: number}[]} */
  #list = [];
  #pageOf = new Map(); // number of a row's page by its key: there it is asked for anew
  #due = new Set(); // numbers of pages that changed and were not asked for since

  /** @param {(row: any) => string} keyOf */
  constructor(keyOf) {
    this.#keyOf = keyOf;
    this.rows = [];
    this.cursor = null;
    this.seen = { first: 0, end: 0 }; // the rows in view
    /** @type {Set<string> | null | undefined} */
    this.waiting = undefined; // keys of what changed while rows were on their way, which may say of before; null: anything
  }

  clear() {
    this.#list = [];
    this.#pageOf.clear();
    this.#due.clear();
    this.waiting = undefined; // what is loaded in their place knows of it
    this.rows = [];
    this.cursor = null;
  }

  /** How a page was asked for. */
  at(number) {
    return this.#list[number];
  }

  /** Rows that follow those that are there. */
  append(page, cursor, limit) {
    const rows = page.rows.filter((row) => !this.#pageOf.has(this.#keyOf(row)));
    for (const row of rows) this.#pageOf.set(this.#keyOf(row), this.#list.length);
    this.#list.push({ cursor, limit });
    this.rows = [...this.rows, ...rows];
    this.cursor = page.next;
  }

  /** These changed (null: any may have). */
  note(changed) {
    this.waiting = changed === null || this.waiting === null ? null : new Set([...(this.waiting ?? []), ...changed]);
  }

  /** Whether something is to be asked for: what waits, or what has come into view. */
  get behind() {
    return this.waiting !== undefined || this.#dueInView().length > 0;
  }

  #dueInView() {
    const { first, end } = this.seen;
    return [...new Set(this.rows.slice(first, end).map((row) => this.#pageOf.get(this.#keyOf(row))))].filter((number) => this.#due.has(number));
  }

  /**
   * Numbers of the pages to ask for anew: the first one always, as new rows come there, then what is seen. Those that
   * are too many for once stay as they are until they come into view.
   */
  asked() {
    const { waiting } = this;
    this.waiting = undefined;
    const numbers = waiting === null ? this.#list.keys() : [...(waiting ?? [])].map((key) => this.#pageOf.get(key));
    for (const number of numbers) if (number !== undefined) this.#due.add(number);
    const rest = [...this.#due].sort((a, b) => a - b);
    return [...new Set([0, ...this.#dueInView(), ...rest])].slice(0, MOST);
  }

  /** Bring rows up to date by a page that was asked for anew; how many new ones were not shown, as `showing()` has it. */
  merge(page, number, showing) {
    this.#due.delete(number);
    const latest = new Map(page.rows.map((row) => [this.#keyOf(row), row]));
    const fresh = page.rows.filter((row) => !this.#pageOf.has(this.#keyOf(row)));
    const seen = this.rows.findLastIndex((row) => latest.has(this.#keyOf(row)));
    const covered = page.next === null ? Infinity : seen;
    // What stood within this page and is gone matches no more, or is not theirs any more.
    this.rows = this.rows.flatMap((row, index) => {
      const key = this.#keyOf(row);
      if (latest.has(key)) return [latest.get(key)];
      if (this.#pageOf.get(key) !== number || index > covered) return [row];
      this.#pageOf.delete(key);
      return [];
    });
    if (number > 0 || fresh.length === 0 || !showing()) return fresh.length;
    const below = this.rows.filter((row) => !latest.has(this.#keyOf(row)));
    for (const row of fresh) this.#pageOf.set(this.#keyOf(row), 0);
    this.#list[0].limit = Math.min(this.#list[0].limit + fresh.length, LARGE);
    this.rows = [...page.rows, ...below];
    if (below.length === 0) this.cursor = page.next;
    return 0;
  }
}
