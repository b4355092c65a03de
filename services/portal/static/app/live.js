// State changes as they happen. EventSource reconnects by itself (Last-Event-ID) after a lost connection, but
// not after an answer other than 200: the stream ends with its token, and the next one needs a renewed session.

import { ApiError, checkSession, foreseen, withQuery } from './api.js';
import { addressed } from './link-mode.js';

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;

/**
 * Events: `change` (detail {file_id, state, changed_at}), `resync` (changes may have been missed: load again),
 * `status` (detail: 'on', 'waiting' or 'off').
 */
export class LiveChanges extends EventTarget {
  #source = null;
  #cursor = null;
  #wait = 0;
  #timer = 0;
  #wanted = false;
  #mayRest;

  /** `mayRest()`: whether a hidden page can do without the stream (browsers allow six connections a host). */
  constructor(mayRest) {
    super();
    this.#mayRest = mayRest;
    this.status = 'off';
    document.addEventListener('visibilitychange', () => this.#onVisibility());
    window.addEventListener('online', () => this.#reopenAt(0));
  }

  /** Start listening. */
  start() {
    this.#wanted = true;
    if (this.#source === null) this.#open();
  }

  /** Stop listening, for good or until the next `start`. */
  stop() {
    this.#wanted = false;
    this.#close();
  }

  #open() {
    clearTimeout(this.#timer);
    const resumed = this.#cursor !== null;
    const source = new EventSource(addressed(withQuery('/api/events', { after: this.#cursor })));
    this.#source = source;
    source.addEventListener('open', () => this.#opened(resumed));
    source.addEventListener('restart', (event) => {
      this.#cursor = event.lastEventId || this.#cursor; // the one of before says nothing any more
      this.#tell('resync'); // the server no longer knows what was missed
    });
    source.addEventListener('shares', () => this.#tell('resync')); // more, or less, is shared with the reader
    source.addEventListener('change', (event) => {
      this.#cursor = event.lastEventId || this.#cursor;
      this.#tell('change', JSON.parse(event.data));
    });
    source.addEventListener('error', () => {
      this.#show('waiting');
      if (source.readyState === EventSource.CLOSED) this.#refused();
    });
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#show('off');
  }

  #opened(resumed) {
    this.#wait = 0;
    this.#show('on');
    if (!resumed) this.#tell('resync');
  }

  // Not 200: an expired token (the question below renews the session, or ends it) or a server in trouble.
  async #refused() {
    this.#source = null;
    const wait = this.#wait;
    this.#wait = Math.min(Math.max(wait * 2, FIRST_WAIT), LONGEST_WAIT);
    try {
      await checkSession();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return;
      if (!foreseen(error)) throw error;
    }
    this.#reopenAt(wait);
  }

  #reopenAt(milliseconds) {
    clearTimeout(this.#timer);
    if (!this.#wanted || this.#source !== null) return;
    this.#timer = setTimeout(() => this.#wanted && this.#source === null && this.#open(), milliseconds);
  }

  #onVisibility() {
    if (!this.#wanted) return;
    if (document.hidden && this.#mayRest()) this.#close();
    else if (!document.hidden && this.#source === null) this.#reopenAt(0);
  }

  #show(status) {
    if (status === this.status) return;
    this.status = status;
    this.#tell('status', status);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
