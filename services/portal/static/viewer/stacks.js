// The stacks of a page: each series is asked for once, and again when something about it has changed.

import { foreseen, request, withQuery } from '../app/api.js';
import { frameInfos } from './frame-info.js';
import { along as alongNormal } from './geometry.js';

/** @typedef {{phase: 'loading' | 'ready' | 'error', stack: any, error: any, along: Map<number, number[]>, infos: Map<number, any[]>}} Held */

const NONE = /** @type {Held} */ ({ phase: 'loading', stack: null, error: null, along: new Map(), infos: new Map() });

/** Events: `change` (detail: series UID). */
export class Stacks extends EventTarget {
  /** @type {Map<string, Held>} */
  #held = new Map();
  #leaving = new AbortController();
  #count = 0;
  #asked = new Map(); // the number of the latest request for each
  #shown = new Map(); // the number of the one that was answered

  constructor(collection) {
    super();
    this.collection = collection;
  }

  /** What is known of a series in this order; it is asked for when it was not yet. @returns {Held} */
  of(series, order = '') {
    const key = `${series} ${order}`;
    if (!this.#held.has(key)) {
      this.#held.set(key, NONE);
      this.load(series, order);
    }
    return this.#held.get(key);
  }

  /**
   * Ask for a series, whether or not it is there; what is shown stays until the answer has come. An answer never takes
   * the place of one that was asked for after it.
   */
  async load(series, order = '') {
    const key = `${series} ${order}`;
    const path = withQuery(`/api/series/${encodeURIComponent(series)}/stack`, { collection: this.collection, order });
    const number = ++this.#count;
    this.#asked.set(key, number);
    /** @type {Held} */
    let held;
    try {
      const stack = await request(path, { signal: this.#leaving.signal });
      held = { phase: 'ready', stack, error: null, along: new Map(), infos: new Map() };
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!foreseen(error)) throw error;
      if (this.#asked.get(key) !== number) return; // what was asked for after it says how it is
      const before = this.#held.get(key);
      // What is shown stays when it cannot be asked for anew, unless it is not the reader's any more.
      const keeps = before?.phase === 'ready' && error.status !== 404;
      held = keeps ? { ...before, error } : { ...NONE, phase: 'error', error };
    }
    if (number < (this.#shown.get(key) ?? 0)) return;
    this.#shown.set(key, number);
    this.#held.set(key, held);
    this.dispatchEvent(new CustomEvent('change', { detail: series }));
  }

  /** Ask for what could not be had; until the answer has come it is on its way. */
  again(series, order = '') {
    this.#held.set(`${series} ${order}`, NONE);
    this.dispatchEvent(new CustomEvent('change', { detail: series }));
    return this.load(series, order);
  }

  /** Ask anew for all that were asked for. */
  refresh() {
    for (const key of [...this.#held.keys()]) {
      const [series, order] = key.split(' ');
      this.load(series, order);
    }
  }

  stop() {
    this.#leaving.abort();
  }
}

/** What is known of each image of a group; the same objects each time. @param {Held} held */
export function infosOf(held, group) {
  if (!held.infos.has(group)) {
    // Of images that failed nothing is asked for: the reason stands in their place.
    const asked = (info) => (info.state === 'failed' && info.kind === 'image' ? { ...info, kind: 'refused' } : info);
    held.infos.set(group, frameInfos(held.stack, held.stack.groups[group]).map(asked));
  }
  return held.infos.get(group);
}

/** The place of a file in a stack: {group, index}, or null. `frame`: from 1, or 0 for any. */
export function placeOf(stack, fileId, frame = 0) {
  for (const [group, { frames }] of stack.groups.entries()) {
    const index = frames.findIndex(([at, number]) => stack.instances[at].file_id === fileId && (!frame || frame === number));
    if (index >= 0) return { group, index };
  }
  return null;
}

/** Millimetres along the normal, of each image of a group; null where its order is another. @param {Held} held */
export function along(held, group) {
  const { normal, order } = held.stack.groups[group];
  if (normal === null || order !== 'position') return null;
  if (!held.along.has(group)) {
    held.along.set(group, infosOf(held, group).map(alongNormal));
  }
  const found = held.along.get(group);
  return found.includes(null) ? null : found;
}

// Whether two groups run along the same normal, either way: 1, -1, or 0 where they do not.
function parallel(one, other) {
  if (!one.normal || !other.normal) return 0;
  const cosine = one.normal.reduce((sum, value, axis) => sum + value * other.normal[axis], 0);
  return Math.abs(cosine) > 0.99 ? Math.sign(cosine) : 0;
}

// Where a stack lies nearest to a position; `at`: mm along its normal, of each image.
function nearest(at, position) {
  let best = 0;
  for (let index = 1; index < at.length; index += 1)
    if (Math.abs(at[index] - position) < Math.abs(at[best] - position)) best = index;
  return best;
}

/**
 * The image of another pane that lies where this one's does, `step` images on; null where they are not parallel.
 * @param {Held} here @param {import('./pane.js').Pane} pane @param {Held} there @param {import('./pane.js').Pane} other
 */
export function beside(here, pane, there, other, step) {
  const way = parallel(here.stack.groups[pane.group], there.stack.groups[other.group]);
  const [from, to] = [along(here, pane.group), along(there, other.group)];
  if (way === 0 || from === null || to === null) return null;
  const position = from[pane.index] * way;
  // Of another frame of reference the distances say nothing: both go the same number of images.
  const far = position < Math.min(to[0], to.at(-1)) - 1 || position > Math.max(to[0], to.at(-1)) + 1;
  return far ? other.index + step * way : nearest(to, position);
}
