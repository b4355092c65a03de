// Frames that somebody waits for: one promise each, however many ask.

import { nameOf } from './plan.js';

/**
 * @typedef {import('./frame-info.js').FrameInfo} FrameInfo
 * @typedef {{part: import('./plan.js').Part, info: FrameInfo, promise: Promise<any>, resolve?: (thing: any) => void,
 *   reject?: (reason: any) => void}} Need
 */

export class Needs {
  /** @type {Map<string, Need>} */
  #all = new Map();

  /** In the order in which they were asked for. */
  get list() {
    return [...this.#all.values()];
  }

  has(name) {
    return this.#all.has(name);
  }

  /** @param {FrameInfo} info @param {import('./plan.js').Part} part */
  add(info, part) {
    /** @type {Need} */
    const need = { info, part, promise: null };
    need.promise = new Promise((resolve, reject) => Object.assign(need, { resolve, reject }));
    need.promise.catch(() => {}); // the loader tells failures to those who do not wait as well
    this.#all.set(nameOf(info, part), need);
    return need.promise;
  }

  /** The promise of what is asked for already, or undefined. */
  promise(name) {
    return this.#all.get(name)?.promise;
  }

  /** It is there, or will never be: `error`. */
  settle(name, thing, error = null) {
    const need = this.#all.get(name);
    this.#all.delete(name);
    if (error) need?.reject(error);
    else need?.resolve(thing);
  }

  stop() {
    for (const name of [...this.#all.keys()]) this.settle(name, null, new DOMException('stopped', 'AbortError'));
  }
}
