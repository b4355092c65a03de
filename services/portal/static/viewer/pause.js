// Waiting until something has not happened for a while.

const LENGTH = 150; // ms

export class Pause {
  #timer = 0;
  #then;

  /** `then()` once it has not happened for a while. */
  constructor(then) {
    this.#then = then;
  }

  /** It may happen again any moment. */
  get waits() {
    return this.#timer !== 0;
  }

  /** It happened. */
  begin() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#then();
    }, LENGTH);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }
}
