// The rows of a list that are loaded, page by page; no requests.

export const LARGE = 500; // rows of a page, for those who go to the end
const MOST = 12; // pages that are asked for anew at once

export class Pages {
  #keyOf;
  /** @type {{cursor: string | null, limit: number}[]} */
  #list = [];
  #pageOf = new Map(); // number of a row's page by its key: there it is asked for anew

  /** @param {(row: any) => string} keyOf */
  constructor(keyOf) {
    this.#keyOf = keyOf;
    this.rows = [];
    this.cursor = null;
  }

  clear() {
    this.#list = [];
    this.#pageOf.clear();
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

  /** Numbers of the pages to ask for anew, of rows that changed (null: any). The first one always: new rows come there. */
  asked(changed) {
    if (changed === null && this.#list.length > MOST) {
      this.rows = this.rows.filter((row) => this.#pageOf.get(this.#keyOf(row)) < MOST);
      this.cursor = this.#list[MOST].cursor;
      this.#list.length = MOST;
      this.#pageOf = new Map(this.rows.map((row) => [this.#keyOf(row), this.#pageOf.get(this.#keyOf(row))]));
    }
    const numbers = changed === null ? this.#list.keys() : [...changed].map((key) => this.#pageOf.get(key));
    return [...new Set([0, ...numbers])].filter((number) => number !== undefined).sort((a, b) => a - b).slice(0, MOST);
  }

  /** Bring rows up to date by a page that was asked for anew; how many new ones were not shown, as `showing()` has it. */
  merge(page, number, showing) {
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
