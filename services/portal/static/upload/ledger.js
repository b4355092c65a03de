// All files of the uploads of this session, and what is counted of them as they move: no question walks them all.

import { OUTCOMES, outcomeOf, PROBLEMS } from './outcomes.js';

/**
 * @typedef {'waiting' | 'sending' | 'checking' | 'accepted' | 'processed' | 'duplicate' | 'refused' | 'interrupted'
 *   | 'failed' | 'cancelled' | 'omitted'} Phase
 * @typedef {{
 *   id: number, file: File, size: number, folder: string, name: string, collection: string, phase: Phase, sent: number,
 *   entry: any, problem: any, reason: string, failures: number, stop: AbortController | null, pausing: boolean,
 * }} Item `entry`: the server's answer; `reason`: why it was set aside; `failures`: while the server answered
 */

const ENDED = new Set(['processed', 'failed', 'duplicate']);
const ACTIVE = new Set(['waiting', 'sending', 'checking']);

export class Ledger {
  #lastId = 0;
  /** @type {Map<string, Set<Item>>} by file id */
  #byFile = new Map();

  constructor() {
    /** @type {Item[]} */
    this.items = [];
    /** @type {Map<string, Item[]>} in the order in which they came */
    this.folders = new Map();
    this.counts = /** @type {Record<import('./outcomes.js').Outcome, number>} */ (
      Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]))
    );
    this.bytes = 0;
    this.sent = 0;
    /**
     * Studies that came of it; `known`: whether the server's lists have it by now.
     * @type {Map<string, {uid: string, collection: string, files: number, known: boolean}>}
     */
    this.studies = new Map();
  }

  /** @param {{file: File, path: string, size: number, collection: string, phase: Phase, reason?: string}} found */
  add({ file, path, size, collection, phase, reason = '' }) {
    this.#lastId += 1;
    const at = path.lastIndexOf('/');
    /** @type {Item} */
    const item = {
      id: this.#lastId, file, size, folder: path.slice(0, Math.max(at, 0)), name: path.slice(at + 1), collection, phase,
      sent: 0, entry: null, problem: null, reason, failures: 0, stop: null, pausing: false,
    };
    this.items.push(item);
    this.#file(item);
    this.#count(item, 1);
    return item;
  }

  /** Put it into another phase, with what else changes. @param {Item} item @param {Phase} phase */
  move(item, phase, changes = {}) {
    this.#count(item, -1);
    Object.assign(item, changes, { phase });
    this.#count(item, 1);
    if (ENDED.has(phase)) this.#noteStudy(item, 0);
  }

  /** @param {Item} item */
  progress(item, sent) {
    this.sent += sent - item.sent;
    item.sent = sent;
  }

  /** The server has taken it. @param {Item} item */
  accept(item, entry) {
    this.move(item, entry.duplicate && !entry.queued_again ? 'duplicate' : 'accepted', { entry, problem: null });
    const known = this.#byFile.get(entry.id);
    if (known) known.add(item);
    else this.#byFile.set(entry.id, new Set([item]));
    this.#noteStudy(item, known ? 0 : 1);
  }

  /** The items that are this file of the server. */
  of(fileId) {
    return this.#byFile.get(fileId) ?? [];
  }

  /** Ids of files that were accepted and have not been measured yet. */
  awaited() {
    return this.items.filter((item) => item.phase === 'accepted').map((item) => item.entry.id);
  }

  /** Take away what `gone(item)` says. */
  drop(gone) {
    const all = this.items;
    this.items = all.filter((item) => !gone(item));
    for (const item of all) if (gone(item)) this.#count(item, -1);
    this.folders = new Map();
    for (const item of this.items) this.#file(item);
    for (const [fileId, items] of this.#byFile) {
      for (const item of items) if (gone(item)) items.delete(item);
      if (items.size === 0) this.#byFile.delete(fileId);
    }
    if (this.items.length === 0) this.studies = new Map();
  }

  /** Still to be sent, of how many; with what is set aside left out. */
  get active() {
    return this.counts.sending;
  }

  /** Of these somebody should look at. */
  get problems() {
    return PROBLEMS.reduce((sum, outcome) => sum + this.counts[outcome], 0);
  }

  get total() {
    return this.items.length - this.counts.omitted;
  }

  #noteStudy({ entry, collection, phase }, more) {
    const uid = entry?.study_instance_uid;
    if (!uid) return;
    const key = `${uid} ${collection}`;
    const { files, known } = this.studies.get(key) ?? { files: 0, known: false };
    this.studies.set(key, { uid, collection, files: files + more, known: known || ENDED.has(phase) });
  }

  #file(item) {
    const folder = this.folders.get(item.folder);
    if (folder) folder.push(item);
    else this.folders.set(item.folder, [item]);
  }

  #count(item, by) {
    const outcome = outcomeOf(item);
    this.counts[outcome] += by;
    if (outcome === 'omitted') return;
    this.bytes += by * item.size;
    this.sent += by * (ACTIVE.has(item.phase) ? item.sent : item.size);
  }
}
