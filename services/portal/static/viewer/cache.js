// What has come of frames, within a budget of bytes: least recently seen goes first.

/**
 * @typedef {import('./levels.js').Values} Values
 * @typedef {import('./levels.js').Window} Window
 * @typedef {{values?: Values, bitmap?: ImageBitmap, blob?: Blob, window?: Window | null}} Parts `blob`: the preview as
 *   it travelled, made into a bitmap when it is near; `window`: what it was drawn with, null for the header's
 */

const MIB = 2 ** 20;
const HEAVY = /** @type {const} */ (['bitmap', 'values']);
const EVERY = /** @type {const} */ ([...HEAVY, 'blob']);

/** What a browser may hold of frames: less on phones. */
export function usualBudget() {
  return (window.matchMedia('(pointer: coarse) and (max-width: 64rem)').matches ? 96 : 256) * MIB;
}

function bytesOf(part, thing) {
  if (part === 'bitmap') return thing.width * thing.height * 4;
  return part === 'values' ? thing.byteLength : thing.size;
}

export class Cache {
  /** Of all parts. */
  bytes = 0;
  /** Names of values and previews that had to go, until somebody clears it: nothing is fetched round in circles. */
  dropped = new Set();
  #budget;
  #isPinned;
  /** @type {Map<string, Parts>} the least recently seen first */
  #entries = new Map();
  #sizes = new WeakMap();

  /** `isPinned(key)`: frames that are shown just now, and stay. */
  constructor(budget, isPinned) {
    this.#budget = budget;
    this.#isPinned = isPinned;
  }

  /** @returns {Parts | undefined} */
  get(key) {
    return this.#entries.get(key);
  }

  /** It was seen just now. */
  touch(key) {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  /** Keep these, in place of what there was; others go until all fit. @param {Parts} more */
  put(key, more) {
    const { window, ...parts } = more;
    const entry = this.#entries.get(key) ?? {};
    if (window !== undefined) entry.window = window;
    this.#entries.set(key, entry);
    this.touch(key);
    for (const [part, thing] of Object.entries(parts)) {
      this.#drop(entry, part);
      entry[part] = thing;
      this.#sizes.set(thing, bytesOf(part, thing));
      this.bytes += this.#sizes.get(thing);
    }
    this.#fit(key);
  }

  clear() {
    for (const entry of this.#entries.values()) for (const part of EVERY) this.#drop(entry, part);
    this.#entries.clear();
  }

  #drop(entry, part) {
    const thing = entry[part];
    if (!thing) return;
    this.bytes -= this.#sizes.get(thing);
    if (part === 'bitmap') thing.close();
    delete entry[part];
  }

  // Previews as they travelled are small and make new bitmaps: they go last. `latest` goes when nothing else is left.
  #fit(latest) {
    const keys = [...this.#entries.keys()];
    const others = keys.filter((key) => key !== latest && !this.#isPinned(key));
    for (const [names, parts] of /** @type {const} */ ([[others, HEAVY], [others, EVERY], [keys, HEAVY]])) {
      for (const key of names) {
        if (this.bytes <= this.#budget) return;
        const entry = this.#entries.get(key);
        if (entry.values) this.dropped.add(`values ${key}`);
        if (parts === EVERY) this.dropped.add(`preview ${key}`);
        for (const part of parts) this.#drop(entry, part);
        if (parts === EVERY) this.#entries.delete(key);
      }
    }
  }
}
