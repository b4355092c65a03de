// What could not be had, and why; what may succeed later is tried again a few times by itself.

const TRIES = 3;
const PAUSE = 1000; // ms before the second

export class Failures {
  /** @type {Map<string, {error: Error, tries: number, passing: boolean, waits: boolean, over: boolean}>} */
  #all = new Map();
  #again;

  /** `again()`: something may be tried once more. */
  constructor(again) {
    this.#again = again;
  }

  /** Note a failure; whether it is one for good, until somebody asks for it again. `final`: at once. */
  add(name, error, { final = false } = {}) {
    const passing = error.passing === true;
    const tries = (this.#all.get(name)?.tries ?? 0) + 1;
    const waits = passing && !final && tries < TRIES;
    const failure = { error, tries, passing: passing && !final, waits, over: !waits };
    this.#all.set(name, failure);
    if (waits) {
      setTimeout(() => {
        failure.waits = false;
        this.#again();
      }, PAUSE * tries);
    }
    return failure.over;
  }

  /** Whether this is not to be asked for now. */
  refused(name) {
    const failure = this.#all.get(name);
    return failure !== undefined && (failure.waits || failure.over);
  }

  /** Why there will be none, or undefined. */
  reason(name) {
    const failure = this.#all.get(name);
    return failure?.over ? failure.error : undefined;
  }

  /** Those of these that may succeed by now are not refused any more. @param {string[]} names */
  forgive(names) {
    for (const name of names) if (this.#all.get(name)?.over && this.#all.get(name).passing) this.#all.delete(name);
  }

  forget(name) {
    this.#all.delete(name);
  }
}
