// Frames on their way from the server: what a reader looks at first, then what comes next, within a budget of bytes.

import { fetched } from '../app/api.js';
import { Bitmaps } from './bitmaps.js';
import { Cache, usualBudget } from './cache.js';
import { Failures } from './failures.js';
import { askPreview, askValues, valuesSize } from './frame-requests.js';
import { Needs } from './needs.js';
import { Pause } from './pause.js';
import { moved, nameOf, near, sameWindow, wantedOf } from './plan.js';

/**
 * @typedef {import('./frame-info.js').FrameInfo} FrameInfo
 * @typedef {import('./levels.js').Values} Values
 * @typedef {import('./levels.js').Window} Window
 * @typedef {import('./plan.js').Part} Part
 * @typedef {import('./plan.js').Job} Job
 * @typedef {import('./plan.js').Place} Place
 */

const namesOf = (info) => [nameOf(info, 'values'), nameOf(info, 'preview')];

export class Loader {
  /** Something of this frame has come, or cannot be had. @type {(info: FrameInfo) => void} */
  onchange = () => {};
  #api;
  #size;
  #budget;
  #parallel;
  #cache;
  #bitmaps;
  #failures = new Failures(() => this.#pump());
  /** @type {Map<string, Place>} by viewport */
  #places = new Map();
  /** @type {Map<string, {job: Job, stop: AbortController}>} */
  #running = new Map();
  #needs = new Needs();
  // Values are fetched unasked when the reader rests; previews follow a window when it is not dragged any more.
  #scrolling = new Pause(() => this.#pump());
  #turning = new Pause(() => {
    for (const place of this.#places.values()) place.window = place.next;
    this.#pump();
  });
  #disposed = false;

  /**
   * `api` as `fetched` of app/api.js; `size`: longest side of previews in pixels; `budget` in bytes; `parallel`:
   * requests at the same time.
   * @param {{api?: typeof fetched, size?: number, budget?: number, parallel?: number}} [options]
   */
  constructor({ api = fetched, size = 512, budget = usualBudget(), parallel = 6 } = {}) {
    [this.#api, this.#size, this.#budget, this.#parallel] = [api, size, budget, parallel];
    this.#cache = new Cache(budget, (key) =>
      [...this.#places.values()].some(({ infos, index }) => infos[index]?.key === key),
    );
    this.#bitmaps = new Bitmaps(
      this.#cache,
      (info, bitmap) => this.#settle(info, 'preview', bitmap),
      (info, error) => this.#broke({ info, part: 'preview' }, error, true),
    );
  }

  /** What all frames take that are held. */
  get bytes() {
    return this.#cache.bytes;
  }

  /**
   * The viewport `at` shows this frame of these; `window`: what previews shall be drawn with, null for the header's.
   * @param {FrameInfo[]} infos @param {number} index @param {{at?: string | number, window?: Window | null}} [options]
   */
  show(infos, index, { at = 'main', window: level = null } = {}) {
    const before = this.#places.get(String(at));
    const place = moved(before, infos, index, level);
    this.#places.set(String(at), place);
    if (infos[index]) this.#cache.touch(infos[index].key);
    if (before?.infos !== infos || before.index !== index) this.#cache.dropped.clear();
    if (before?.infos === infos && before.index !== index) this.#scrolling.begin();
    // Who comes back to an image asks for it anew, where there may be one by now.
    if (infos[index] && before?.index !== index) this.#failures.forgive(namesOf(infos[index]));
    if (!sameWindow(place.window, place.next)) this.#turning.begin();
    for (const info of near([...this.#places.values()])) this.#bitmaps.make(info);
    this.#pump();
  }

  /** The viewport is gone, or shows none of its frames. @param {string | number} at */
  leave(at = 'main') {
    this.#places.delete(String(at));
    this.#pump();
  }

  /**
   * What is there of a frame; `window`: what its preview was drawn with, `error`: why there will be no more.
   * @param {FrameInfo} info @returns {{preview?: ImageBitmap, window?: Window | null, values?: Values, error?: Error}}
   */
  get(info) {
    const { bitmap: preview, window: level, values } = this.#cache.get(info.key) ?? {};
    this.#cache.touch(info.key);
    if (!preview) this.#bitmaps.make(info);
    const [error] = namesOf(info).flatMap((name) => this.#failures.reason(name) ?? []);
    return { preview, window: level, values, error };
  }

  /** The values, before everything else. @param {FrameInfo} info @returns {Promise<Values>} */
  need(info) {
    if (valuesSize(info) > this.#budget) return Promise.reject(new RangeError('a frame that no budget holds'));
    return this.#need(info, 'values');
  }

  /** The preview. Draw it at once: it is closed when its place is needed.
   * @param {FrameInfo} info @returns {Promise<ImageBitmap>} */
  needPreview(info) {
    return this.#need(info, 'preview');
  }

  /** Ask again for what failed. @param {FrameInfo} info */
  retry(info) {
    namesOf(info).forEach((name) => this.#failures.forget(name));
    this.#pump();
  }

  dispose() {
    this.#disposed = true;
    this.#bitmaps.stop();
    this.#scrolling.stop();
    this.#turning.stop();
    for (const { stop } of this.#running.values()) stop.abort();
    this.#needs.stop();
    this.#places.clear();
    this.#cache.clear();
  }

  /** @param {FrameInfo} info @param {Part} part */
  #need(info, part) {
    const name = nameOf(info, part);
    const found = this.#cache.get(info.key)?.[part === 'values' ? 'values' : 'bitmap'];
    if (found) return Promise.resolve(found);
    const reason = this.#failures.reason(name);
    if (reason) return Promise.reject(reason);
    const asked = this.#needs.promise(name);
    if (asked) return asked;
    const promise = this.#needs.add(info, part);
    if (part === 'preview') this.#bitmaps.make(info);
    this.#pump();
    return promise;
  }

  /** @param {FrameInfo} info @param {Part} part */
  #settle(info, part, thing, error = null) {
    this.#needs.settle(nameOf(info, part), thing, error);
    this.onchange(info);
  }

  #pump() {
    if (this.#disposed) return;
    const wanted = wantedOf({
      places: [...this.#places.values()],
      needs: this.#needs.list,
      cache: this.#cache,
      refused: (name) => this.#failures.refused(name),
      rests: !this.#scrolling.waits,
      budget: this.#budget,
    });
    for (const [name, { job, stop }] of this.#running) {
      const still = wanted.get(name);
      if (!still || !sameWindow(still.window, job.window)) stop.abort();
    }
    for (const [name, job] of wanted) {
      if (this.#running.has(name)) continue;
      if (this.#running.size >= this.#parallel) {
        if (job.urgent) this.#makeRoom([...wanted.keys()]);
        return;
      }
      this.#run(name, job);
    }
  }

  /** What matters least gives up its place, unless one is being given up. @param {string[]} order */
  #makeRoom(order) {
    const running = [...this.#running.entries()];
    if (running.some(([, { stop }]) => stop.signal.aborted)) return;
    const least = order.findLast((name) => this.#running.get(name)?.job.urgent === false);
    if (least) this.#running.get(least).stop.abort();
  }

  async #run(name, /** @type {Job} */ job) {
    const { info, part, window: level } = job;
    const stop = new AbortController();
    this.#running.set(name, { job, stop });
    try {
      const options = { size: this.#size, window: level, signal: stop.signal };
      const came = await (part === 'values' ? askValues : askPreview)(this.#api, info, options);
      if (!stop.signal.aborted) this.#keep(job, came);
    } catch (error) {
      if (!stop.signal.aborted) this.#broke(job, error);
    }
    this.#running.delete(name);
    this.#pump();
  }

  #keep({ info, part, window: level }, came) {
    this.#failures.forget(nameOf(info, part));
    if (part === 'values') {
      this.#cache.put(info.key, { values: came });
      this.#settle(info, part, came);
      return;
    }
    this.#cache.put(info.key, { blob: came, window: level });
    const soon = near([...this.#places.values()]).some(({ key }) => key === info.key);
    if (soon || this.#needs.has(nameOf(info, part))) this.#bitmaps.make(info, true);
  }

  #broke({ info, part }, error, final = false) {
    if (this.#disposed) return;
    if (this.#failures.add(nameOf(info, part), error, { final })) this.#settle(info, part, null, error);
  }
}
