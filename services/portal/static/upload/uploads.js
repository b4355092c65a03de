// What belongs to one person's uploads as long as they are signed in: the queue, what it waits for, what it left.

import { announce } from '../app/announce.js';
import { foreseen, request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { currentPlace } from '../app/router.js';
import { toast } from '../app/toasts.js';
import { catchUp } from './catch-up.js';
import { UploadQueue } from './queue.js';
import { Remains } from './remains.js';
import { readsAsIndex, sendFile, serverAnswers, slots } from './request.js';

const NOTED = 1000; // milliseconds between two notes of what is left
const SILENCE = 30_000; // milliseconds without news after which it is asked for

export class Uploads {
  #user;
  #seesResults;
  #busy = false;
  #noting = 0;
  #asking = 0;
  #limits = null;

  constructor(user) {
    this.#user = user;
    this.#seesResults = user.permissions.includes('view_dicomresult');
    this.remains = new Remains(user.user_id);
    this.queue = new UploadQueue({
      send: sendFile,
      isIndex: readsAsIndex,
      ask: serverAnswers,
      slots,
      limits: () => this.#limits,
    });
    /** Where the next files go. */
    this.collection = user.default_collection;
  }

  /** Follow what becomes of the files. @param {import('../app/live.js').LiveChanges} live */
  follow(live) {
    live.addEventListener('change', (/** @type {CustomEventInit} */ { detail }) => {
      this.queue.learn(detail.file_id, detail.state);
    });
    live.addEventListener('resync', () => this.#catchUp());
    window.addEventListener('pagehide', () => this.#note());
    this.queue.addEventListener('change', () => {
      if (this.queue.busy && !this.#busy && this.#seesResults) live.start();
      this.#changed();
    });
  }

  /** Files from portions of a picker, a drop or the clipboard; how many entries could not be read. */
  async take(portions) {
    let [files, unreadable] = [0, 0];
    const { collection } = this; // another one, chosen while these are being read, is for the next
    this.#learnLimits();
    for await (const portion of portions) {
      if (portion.files.length > 0) this.remains.forget();
      this.queue.add(portion.files, collection);
      files += portion.files.length;
      unreadable += portion.unreadable;
    }
    return { files, unreadable };
  }

  /** What is left unsent is dropped, as the reader wants it. */
  discard() {
    this.queue.cancelAll();
    this.remains.forget();
  }

  // Whoever may send may know; without it the server says so file by file.
  async #learnLimits() {
    try {
      this.#limits ??= await request('/api/files/limits');
    } catch (error) {
      if (!foreseen(error)) throw error;
    }
  }

  #changed() {
    this.#noting ||= window.setTimeout(() => this.#note(), NOTED);
    if (this.#seesResults && this.queue.ledger.counts.processing > 0)
      this.#asking ||= window.setTimeout(() => this.#catchUp(), SILENCE);
    const { busy } = this.queue;
    if (this.#busy && !busy) this.#over();
    this.#busy = busy;
  }

  #note() {
    this.#noting = 0;
    this.remains.note(this.queue.ledger.active);
  }

  #catchUp() {
    clearTimeout(this.#asking);
    this.#asking = 0;
    const awaited = this.queue.ledger.awaited();
    if (this.#seesResults && awaited.length > 0)
      catchUp(awaited, this.#studies(), this.#user.user_id, (id, state) => this.queue.learn(id, state)).then(() => this.#changed());
  }

  #studies() {
    return [...this.queue.ledger.studies.values()].map(({ uid }) => uid);
  }

  #over() {
    this.#note();
    const { problems, total } = this.queue.ledger;
    const text = t('tray.over', { count: total, problems });
    if (currentPlace().path === '/upload') announce(text);
    else toast(text, problems > 0 ? 'bad' : 'good');
  }
}
