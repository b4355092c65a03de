// Previews made into bitmaps, which take thirty times what travels: of what is near, or what somebody waits for.

export class Bitmaps {
  #cache;
  #came;
  #broke;
  #running = new Set();
  #stopped = false;

  /** `came(info, bitmap)` once it is in the cache; `broke(info, error)`. @param {import('./cache.js').Cache} cache */
  constructor(cache, came, broke) {
    [this.#cache, this.#came, this.#broke] = [cache, came, broke];
  }

  /** Make the bitmap of a frame whose preview is there. `anew`: of another preview than before.
   * @param {import('./frame-info.js').FrameInfo} info */
  async make(info, anew = false) {
    const held = this.#cache.get(info.key);
    if (!held?.blob || (held.bitmap && !anew) || this.#running.has(held.blob)) return;
    const { blob } = held;
    this.#running.add(blob);
    try {
      const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
      if (this.#stopped || this.#cache.get(info.key)?.blob !== blob) bitmap.close();
      else {
        this.#cache.put(info.key, { bitmap });
        this.#came(info, bitmap);
      }
    } catch (error) {
      if (!this.#stopped) this.#broke(info, error);
    }
    this.#running.delete(blob);
  }

  stop() {
    this.#stopped = true;
  }
}
