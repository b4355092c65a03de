// Playing a stack: which image comes after how long.

export const SPEEDS = [1, 60]; // images per second

/** Milliseconds that an image stays. `times` as the stack has them: one number, one for each image, or null. */
export function duration(times, index, speed) {
  if (speed !== null) return 1000 / speed;
  const told = Array.isArray(times) ? times[index] : times;
  return told > 0 ? told : 1000 / 15;
}

/** The image after `index`, with the direction from there. `bounce`: back from the end, else from the start again. */
export function following(index, count, direction, bounce) {
  if (count < 2) return { index, direction };
  const next = index + direction;
  if (next >= 0 && next < count) return { index: next, direction };
  return bounce ? { index: index - direction, direction: -direction } : { index: direction > 0 ? 0 : count - 1, direction };
}

/** Calls `step(images)` as often as images are due, until it is stopped. `lasts()`: milliseconds of the image in view. */
export class Player {
  #frame = 0;
  #step;
  #lasts;

  constructor(lasts, step) {
    this.#lasts = lasts;
    this.#step = step;
  }

  get running() {
    return this.#frame !== 0;
  }

  start() {
    let due = performance.now() + this.#lasts();
    const tick = (now) => {
      this.#frame = requestAnimationFrame(tick);
      if (now < due) return;
      this.#step();
      due += this.#lasts();
      if (due < now) due = now; // late, as in a tab that was hidden: nothing is made up for
    };
    this.#frame = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }
}
