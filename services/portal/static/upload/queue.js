// The uploads of this session: a few at a time, each with a phase that only moves as listed here.
//
//   waiting -> sending -> checking -> accepted -> processed | failed
//                      \-> duplicate | refused | interrupted | cancelled | omitted
//
// Trouble on the way puts a file back to `waiting`: sending it again is safe, for the server knows the same bytes.

import { ApiError, NetworkError } from '../app/api.js';
import { Holds } from './holds.js';
import { Ledger } from './ledger.js';
import { refusal } from './limits.js';
import { RETRYABLE, outcomeOf } from './outcomes.js';
import { SessionOver } from './request.js';
import { Speed } from './speed.js';
import { setAside } from './triage.js';

/** @typedef {import('./ledger.js').Item} Item */

const BUSY = [429, 502, 503, 504, 507]; // the server, or what stands before it, asks to wait
const PATIENCE = 5; // seconds, where it does not say how long
const TRIES = 3;
const REMEMBERED = 5000; // live states kept for answers that arrive after them

/** Events: `change`, often. */
export class UploadQueue extends EventTarget {
  #send;
  #isIndex;
  #slots;
  #running = 0;
  /** @type {Item[]} */
  #line = [];
  #next = 0;
  /** @type {Set<Item>} files whose connection broke, until it is known whose fault it was */
  #suspects = new Set();
  #states = new Map(); // file id -> state

  /**
   * `send(item, {onProgress, signal})` as `sendFile`; `isIndex(file)`: whether it is a DICOMDIR; `ask()` as Holds has it;
   * `slots()`: how many requests may run at the same time; `limits`: what the server takes, once known.
   */
  constructor({ send, isIndex, ask, slots = () => 3, limits = () => null }) {
    super();
    this.#send = send;
    this.#isIndex = isIndex;
    this.#slots = slots;
    this.limits = limits;
    this.ledger = new Ledger();
    this.speed = new Speed();
    this.holds = new Holds(ask);
    this.holds.addEventListener('answered', (/** @type {CustomEventInit} */ { detail }) => this.#judge(detail));
    this.holds.addEventListener('change', () => this.#fill());
  }

  /** Queue files for a collection; what need not be sent is set aside. @param {import('./walk.js').Found[]} found */
  add(found, collection = '') {
    for (const { file, path, size } of found) {
      const reason = setAside(path);
      const item = this.ledger.add({ file, path, size, collection, reason, phase: reason ? 'omitted' : 'waiting' });
      if (!reason) this.#line.push(item);
    }
    this.#fill();
  }

  /** Stop sending until `resume`; what is half sent starts anew then. */
  pause() {
    for (const item of this.ledger.items) {
      if (item.phase !== 'sending') continue;
      item.pausing = true;
      item.stop.abort();
    }
    this.holds.hold('reader');
  }

  /** Go on, or try at once what is being waited for. */
  resume() {
    this.holds.release('reader');
    this.holds.hurry();
  }

  /** Stop one upload, or take it out of the line. @param {Item} item */
  cancel(item) {
    if (item.phase === 'waiting') this.#move(item, 'cancelled');
    else if (item.phase === 'sending' || item.phase === 'checking') item.stop.abort();
  }

  /** Cancel everything that is still on its way. */
  cancelAll() {
    for (const item of this.ledger.items) if (item.phase === 'waiting') this.ledger.move(item, 'cancelled');
    for (const item of this.ledger.items) this.cancel(item);
    this.#fill();
  }

  /** Send again what may end otherwise. @param {Item[]} items */
  retry(items) {
    for (const item of items) {
      if (!RETRYABLE.includes(outcomeOf(item))) continue;
      if (item.entry) this.#states.delete(item.entry.id);
      this.#back(item, { failures: 0, problem: null });
    }
    this.#fill();
  }

  /** Take off what is over; problems stay until somebody saw them, unless `all`. */
  clear({ all = false } = {}) {
    const kept = all ? ['sending', 'processing'] : ['sending', 'processing', 'failed', 'conflict', 'foreign'];
    this.ledger.drop((item) => !kept.includes(outcomeOf(item)));
    this.#tell();
  }

  /** A file's state as the server tells it, by live event or list. */
  learn(fileId, state) {
    this.#states.delete(fileId);
    this.#states.set(fileId, state);
    if (this.#states.size > REMEMBERED) this.#states.delete(this.#states.keys().next().value);
    for (const item of this.ledger.of(fileId)) this.#applyState(item);
  }

  /** Whether anything is still on its way to a result. */
  get busy() {
    return this.ledger.counts.sending + this.ledger.counts.processing > 0;
  }

  #fill() {
    while (this.holds.first === null && this.#running < this.#slots() && this.#next < this.#line.length) {
      const item = this.#line[this.#next];
      this.#next += 1;
      if (item.phase === 'waiting') this.#run(item);
    }
    if (this.#next === this.#line.length) {
      this.#line = [];
      this.#next = 0;
    }
    this.#tell();
  }

  async #run(item) {
    this.#running += 1;
    item.stop = new AbortController();
    this.ledger.move(item, 'sending', { sent: 0, pausing: false });
    try {
      await this.#deliver(item);
    } catch (error) {
      this.#broke(item, error);
    }
    item.stop = null;
    this.#running -= 1;
    this.#fill();
  }

  async #deliver(item) {
    const refused = refusal(item, this.limits());
    if (refused) throw refused;
    if (await this.#isIndex(item.file)) return this.#move(item, 'omitted', { reason: 'index' });
    const { signal } = item.stop;
    const entry = await this.#send(item, { signal, onProgress: (sent) => this.#progress(item, sent) });
    this.ledger.accept(item, entry);
    return this.#applyState(item);
  }

  #broke(item, error) {
    if (error.name === 'AbortError') return item.pausing ? this.#back(item) : this.#move(item, 'cancelled');
    if (error instanceof NetworkError) {
      this.#suspects.add(item);
      this.#back(item, { problem: error });
      return this.holds.lost();
    }
    if (error instanceof SessionOver) {
      this.#back(item);
      return this.holds.hold('session');
    }
    if (error instanceof DOMException) return this.#move(item, 'interrupted', { problem: { code: 'unreadable' } });
    if (!(error instanceof ApiError)) {
      this.#move(item, 'interrupted');
      throw error;
    }
    if (BUSY.includes(error.status)) {
      this.#back(item);
      return this.holds.busy(error.problem.retry_after ?? PATIENCE, error.code);
    }
    return error.passing || error.status === 401 ? this.#count(item, error) : this.#move(item, 'refused', { problem: error });
  }

  /** The connection is there again; `all`: and was all the time, so that it was for these files that it broke. */
  #judge(all) {
    for (const item of this.#suspects) if (all && item.phase === 'waiting') this.#count(item, item.problem);
    this.#suspects.clear();
  }

  #count(item, problem) {
    const failures = item.failures + 1;
    if (failures >= TRIES) this.#move(item, 'interrupted', { failures, problem });
    else if (item.phase === 'waiting') this.ledger.move(item, 'waiting', { failures });
    else this.#back(item, { failures, problem });
  }

  #back(item, changes = {}) {
    this.#move(item, 'waiting', { sent: 0, ...changes });
    this.#line.push(item);
  }

  #progress(item, sent) {
    this.ledger.progress(item, sent);
    this.#move(item, sent >= item.size ? 'checking' : 'sending');
  }

  #applyState(item) {
    const state = item.entry && this.#states.get(item.entry.id);
    if (!['accepted', 'failed'].includes(item.phase) || !['processed', 'failed'].includes(state)) return;
    if (item.phase !== state) this.#move(item, state);
  }

  #move(item, phase, changes = {}) {
    this.ledger.move(item, phase, changes);
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}
