// What keeps the queue from sending, and when it may go on: nothing is sent while anything holds.

const FIRST = 1000; // milliseconds until the server is asked whether it is there
const LONGEST = 30_000;

/**
 * @typedef {'session' | 'reader' | 'network' | 'server'} Why `server`: it is there and asks to wait
 * @typedef {{why: Why, code?: string, until?: number}} Hold
 */
/** @type {Why[]} */
const ORDER = ['session', 'reader', 'network', 'server'];

/**
 * Events: `change`; `answered` after a lost connection (detail: whether the server was there all the time), before the
 * hold ends.
 */
export class Holds extends EventTarget {
  #ask;
  /** @type {Map<Why, Hold>} */
  #held = new Map();
  #hurry = /** @type {Set<() => void>} */ (new Set());
  #asking = false;
  #turn = 0;

  /** `ask()` says whether the server answers. @param {() => Promise<boolean>} ask */
  constructor(ask) {
    super();
    this.#ask = ask;
    window.addEventListener('online', () => this.hurry());
  }

  /** What keeps it, the weightiest first. @returns {Hold | null} */
  get first() {
    return ORDER.map((why) => this.#held.get(why)).find((hold) => hold !== undefined) ?? null;
  }

  /** @param {Why} why */
  hold(why, detail = {}) {
    this.#held.set(why, { why, ...detail });
    this.#tell('change');
  }

  /** @param {Why} why */
  release(why) {
    if (this.#held.delete(why)) this.#tell('change');
  }

  /** Ask now, instead of after the rest of a pause. */
  hurry() {
    for (const now of this.#hurry) now();
  }

  /** No answer came: ask until there is one. */
  async lost() {
    if (this.#asking) return;
    this.#asking = true;
    this.hold('network');
    let pause = FIRST;
    await this.#sleep(pause);
    let all = true;
    while (!(await this.#ask())) {
      all = false;
      await this.#sleep(pause);
      pause = Math.min(pause * 2, LONGEST);
    }
    this.#asking = false;
    this.#tell('answered', all);
    this.release('network');
  }

  /** The server asks to wait so many seconds; `code` says why. */
  async busy(seconds, code) {
    this.#turn += 1;
    const turn = this.#turn;
    this.hold('server', { code, until: Date.now() + seconds * 1000 });
    await this.#sleep(seconds * 1000);
    if (turn === this.#turn) this.release('server');
  }

  #sleep(milliseconds) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#hurry.delete(done);
        resolve(null);
      };
      const timer = setTimeout(done, milliseconds);
      this.#hurry.add(done);
    });
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
