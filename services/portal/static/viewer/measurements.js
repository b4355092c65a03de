// What readers measured on this page: a list that remembers what it was, for undoing.

const KEPT = 100; // steps back
const POINTS = { probe: 1, length: 2, angle: 3, rectangle: 2, ellipse: 2 };

/**
 * Points in pixels of the image, (0, 0) at its upper left corner.
 * @typedef {{id: number, kind: 'probe' | 'length' | 'angle' | 'rectangle' | 'ellipse', image: string, series: string,
 *   points: [number, number][]}} Measurement
 */

/** How many points a tool sets; 0 for tools that set none. */
export function pointsOf(tool) {
  return POINTS[tool] ?? 0;
}

/** Which image a measurement lies on. */
export function imageKey(info) {
  return `${info.file_id},${info.frame}`;
}

/** What a measurement is known by, as long as it lies where it does. @param {Measurement} one */
export function nameOf({ id, points }) {
  return `${id} ${points}`;
}

export class Measurements {
  #next;
  /** @type {Measurement[][]} */
  #before = [];

  /** @param {Measurement[]} [all] */
  constructor(all = []) {
    this.all = all;
    this.#next = Math.max(0, ...all.map(({ id }) => id)) + 1;
  }

  /** Those of one image. */
  of(image) {
    return this.all.filter((one) => one.image === image);
  }

  /** @returns {Measurement | undefined} */
  find(id) {
    return this.all.find((one) => one.id === id);
  }

  /** Returns its id. */
  add(kind, image, series, points) {
    const id = this.#next;
    this.#next += 1;
    this.#set([...this.all, { id, kind, image, series, points }]);
    return id;
  }

  remove(id) {
    this.#set(this.all.filter((one) => one.id !== id));
  }

  clear() {
    this.#set([]);
  }

  /** Put a point elsewhere. `remembering: false`: part of a drag whose begin is remembered. */
  move(id, point, place, remembering = true) {
    const put = (one) => ({ ...one, points: one.points.map((old, at) => (at === point ? place : old)) });
    this.#set(
      this.all.map((one) => (one.id === id ? put(one) : one)),
      remembering,
    );
  }

  /** Remember what is there now: what follows is undone together. */
  remember() {
    this.#before = [...this.#before.slice(-KEPT), this.all];
  }

  /** Whether there was something to undo. */
  undo() {
    const before = this.#before.pop();
    if (before === undefined) return false;
    this.all = before;
    return true;
  }

  #set(all, remembering = true) {
    if (remembering) this.remember();
    this.all = all;
  }
}
