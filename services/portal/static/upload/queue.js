// The uploads of this page: a few at a time, each with a phase that only moves as listed here.
//
//   waiting -> sending -> checking -> accepted -> processed | failed
//                      \-> duplicate | refused | interrupted | cancelled      (the last two can be retried)

import { ApiError, NetworkError } from '../app/api.js';

const ACTIVE = new Set(['waiting', 'sending', 'checking']);
const RETRYABLE = new Set(['interrupted', 'cancelled']);
const HARMLESS = new Set(['accepted', 'processed', 'duplicate']);
const REMEMBERED = 5000; // live states kept for answers that arrive after them

/** Events: `add`, `change` and `remove` (detail: the item), `idle` when nothing is left to send. */
export class UploadQueue extends EventTarget {
  #send;
  #slots;
  #lastId = 0;
  #states = new Map(); // file id -> state

  /** `send(file, {onProgress, signal})` as `sendFile`; `slots` requests run at the same time. */
  constructor(send, slots = 3) {
    super();
    this.#send = send;
    this.#slots = slots;
    this.items = [];
  }

  /** Queue files. */
  add(files) {
    for (const file of files) {
      this.#lastId += 1;
      const item = { id: this.#lastId, file, phase: 'waiting', sent: 0, entry: null, problem: null };
      this.items.push(item);
      this.#tell('add', item);
    }
    this.#fillSlots();
  }

  /** Stop one upload, or take it out of the line. */
  cancel(item) {
    if (!ACTIVE.has(item.phase)) return;
    if (item.phase === 'waiting') this.#move(item, 'cancelled');
    else item.stop.abort();
  }

  /** Send again what was interrupted or cancelled. */
  retry(item) {
    if (!RETRYABLE.has(item.phase)) return;
    item.sent = 0;
    item.problem = null;
    this.#move(item, 'waiting');
    this.#fillSlots();
  }

  /** Retry everything that was interrupted. */
  retryAll() {
    for (const item of this.items) if (item.phase === 'interrupted') this.retry(item);
  }

  /** Cancel everything that is still on its way. */
  cancelAll() {
    for (const item of [...this.items].reverse()) this.cancel(item);
  }

  /** Take what ended well (or was cancelled) off the list; problems stay until somebody saw them. */
  clearFinished() {
    const gone = this.items.filter((item) => HARMLESS.has(item.phase) || item.phase === 'cancelled');
    this.items = this.items.filter((item) => !gone.includes(item));
    for (const item of gone) this.#tell('remove', item);
  }

  /** A file's state as the server tells it, by live event or list. */
  learn(fileId, state) {
    this.#states.delete(fileId);
    this.#states.set(fileId, state);
    if (this.#states.size > REMEMBERED) this.#states.delete(this.#states.keys().next().value);
    for (const item of this.items) if (item.entry?.id === fileId) this.#applyState(item);
  }

  /** Whether anything is still on its way to a result. */
  get busy() {
    return this.items.some((item) => ACTIVE.has(item.phase) || item.phase === 'accepted');
  }

  /** How many items are in each phase, and bytes sent of bytes to send. */
  summary() {
    const summary = { total: this.items.length, active: 0, problems: 0, interrupted: 0, sent: 0, bytes: 0 };
    for (const item of this.items) {
      if (ACTIVE.has(item.phase)) summary.active += 1;
      if (['refused', 'failed', 'interrupted'].includes(item.phase)) summary.problems += 1;
      if (item.phase === 'interrupted') summary.interrupted += 1;
      summary.bytes += item.file.size;
      summary.sent += ACTIVE.has(item.phase) ? item.sent : item.file.size;
    }
    return summary;
  }

  #fillSlots() {
    const running = this.items.filter((item) => item.phase === 'sending' || item.phase === 'checking').length;
    const next = this.items
      .filter((item) => item.phase === 'waiting')
      .slice(0, Math.max(this.#slots - running, 0));
    for (const item of next) this.#run(item);
    if (running + next.length === 0) this.dispatchEvent(new CustomEvent('idle'));
  }

  async #run(item) {
    item.stop = new AbortController();
    this.#move(item, 'sending');
    try {
      item.entry = await this.#send(item.file, {
        signal: item.stop.signal,
        onProgress: (sent) => this.#progress(item, sent),
      });
      this.#move(item, item.entry.duplicate ? 'duplicate' : 'accepted');
      this.#applyState(item);
    } catch (error) {
      this.#failed(item, error);
    }
    this.#fillSlots();
  }

  #failed(item, error) {
    if (error.name === 'AbortError') {
      this.#move(item, 'cancelled');
    } else if (
      error instanceof NetworkError ||
      (error instanceof ApiError && (error.passing || error.status === 401))
    ) {
      item.problem = error;
      this.#move(item, 'interrupted');
    } else if (error instanceof ApiError) {
      item.problem = error;
      this.#move(item, 'refused');
    } else {
      this.#move(item, 'interrupted');
      throw error;
    }
  }

  #progress(item, sent) {
    item.sent = sent;
    this.#move(item, sent >= item.file.size ? 'checking' : 'sending');
  }

  #applyState(item) {
    const state = this.#states.get(item.entry.id);
    if (['accepted', 'failed'].includes(item.phase) && ['processed', 'failed'].includes(state)) {
      this.#move(item, state);
    }
  }

  #move(item, phase) {
    item.phase = phase;
    this.#tell('change', item);
  }

  #tell(type, item) {
    this.dispatchEvent(new CustomEvent(type, { detail: item }));
  }
}
