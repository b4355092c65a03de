// How fast it goes and how long it takes still, by the last seconds. Nothing here touches the page.

const SPAN = 10_000; // milliseconds that count
const LEAST = 1000;

export class Speed {
  /** @type {[number, number][]} moments, and bytes until then */
  #noted = [];

  /** So many bytes have gone out, of all. @param {number} bytes @param {number} now in milliseconds */
  note(bytes, now) {
    if (this.#noted.length > 0 && bytes < this.#noted.at(-1)[1]) this.#noted = [];
    this.#noted.push([now, bytes]);
    // The last before the span stays, so that there is always one to compare with.
    while (this.#noted.length > 2 && this.#noted[1][0] < now - SPAN) this.#noted.shift();
  }

  /** Forget: what comes next is not to be compared with before. */
  stop() {
    this.#noted = [];
  }

  /** Bytes a second; 0 where it cannot be told yet. */
  get rate() {
    if (this.#noted.length < 2) return 0;
    const [since, before] = this.#noted[0];
    const [now, bytes] = this.#noted.at(-1);
    return now - since < LEAST ? 0 : ((bytes - before) * 1000) / (now - since);
  }
}

/** Seconds as `00:18`, or `1:02:05` from an hour on. */
export function clock(seconds) {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, at) => (at === 0 && parts.length > 2 ? `${part}` : String(part).padStart(2, '0'))).join(':');
}
