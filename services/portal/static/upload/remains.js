// How many files an upload left unsent when its page went away: counts alone are kept, no names.

const KEY = 'dicom.upload';
const TAB = 'dicom.tab'; // this tab, also after it was loaded again
const QUIET = 15_000; // milliseconds: what another tab noted longer ago is nobody's any more

export class Remains {
  #key;
  #tab;

  /** @param {number} userId */
  constructor(userId) {
    this.#key = `${KEY}.${userId}`;
    this.#tab = sessionStorage.getItem(TAB) ?? `${Math.random()}`;
    sessionStorage.setItem(TAB, this.#tab);
    this.left = this.#read();
  }

  #read() {
    try {
      const { left, tab, at } = JSON.parse(localStorage.getItem(this.#key) ?? '{}');
      return left > 0 && (tab === this.#tab || Date.now() - at > QUIET) ? left : 0;
    } catch {
      return 0;
    }
  }

  /** So many are on their way. What was left before is known no longer once there are new ones. */
  note(active) {
    if (active > 0) {
      this.left = 0;
      localStorage.setItem(this.#key, JSON.stringify({ left: active, tab: this.#tab, at: Date.now() }));
    } else if (this.left === 0) localStorage.removeItem(this.#key);
  }

  /** The reader has seen it, or sends the files again. */
  forget() {
    this.left = 0;
    localStorage.removeItem(this.#key);
  }
}
