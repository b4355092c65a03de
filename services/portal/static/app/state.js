// Who is signed in, and what belongs to them as long as they are.

import { actions } from './actions.js';
import { ApiError, foreseen, NetworkError, sessionEvents } from './api.js';
import { LiveChanges } from './live.js';
import { errorText } from './problems.js';
import { go } from './router.js';
import { pageAddress } from './addresses.js';
import { currentUser, followOtherTabs, forget, forgetTab, resume, signOut } from './session.js';
import { toast } from './toasts.js';

/** Events: `change`. `work` ({user, live, uploads}) is there for readers who may go on, and outlives every page. */
export class AppState extends EventTarget {
  #makeUploads;

  /** `makeUploads(user)` gives what follows their uploads: {queue, follow(live), discard()}. */
  constructor(makeUploads) {
    super();
    this.#makeUploads = makeUploads;
    this.ended = false; // whether the reader had a session before being asked to sign in
    this.asked = 0; // how often the reader was asked to sign in
    this.reset = false; // whether the reader has just chosen a password by a link
    this.work = null;
    this.user = null;
    this.error = null;
    /** Somebody else has signed in while files of this reader were on their way: they are asked about. */
    this.newcomer = false;
    followOtherTabs();
    sessionEvents.addEventListener('profile', () => this.#learn(currentUser()));
    sessionEvents.addEventListener('ended', () => currentUser() !== null && this.#askWho(true));
    sessionEvents.addEventListener('other', () => {
      if (this.uploading === 0) window.location.reload();
      else this.#askAboutUploads();
    });
    window.addEventListener('beforeunload', (event) => {
      if (this.uploading > 0) event.preventDefault(); // the browser asks in its own words
    });
  }

  /** How many files are still on their way. */
  get uploading() {
    return this.work?.uploads.queue.ledger.active ?? 0;
  }

  /** Find out who is there. */
  async open() {
    this.error = null;
    try {
      if (await resume()) this.enter();
      else this.#askWho(false);
    } catch (error) {
      if (!foreseen(error)) throw error;
      this.error = error;
      this.#tell();
    }
  }

  /** Somebody signed in, or chose a password. */
  enter() {
    const user = currentUser();
    if (this.work !== null && this.work.user.user_id !== user.user_id) {
      if (this.uploading > 0) {
        this.#askAboutUploads();
        return;
      }
      this.#end();
    }
    if (this.work === null && !user.must_change_password) this.#begin(user);
    else this.#goOn();
    this.user = user;
    this.reset = false;
    this.#tell();
  }

  /** Somebody chose a password by a link, and signs in with it. */
  enterAnew() {
    this.reset = true;
    this.#end();
    this.#askWho(false);
    go(pageAddress('/'), { replace: true });
  }

  #begin(user) {
    const uploads = this.#makeUploads(user);
    const live = new LiveChanges(() => !uploads.queue.busy);
    uploads.follow(live);
    this.work = { user, live, uploads };
  }

  // The same reader again: what waited for them goes on.
  #goOn() {
    if (this.work === null) return;
    const { queue } = this.work.uploads;
    queue.holds.release('session');
    if (queue.busy) this.work.live.start();
  }

  // Nothing may be sent as the other one.
  #askAboutUploads() {
    this.work.uploads.queue.holds.hold('session');
    this.newcomer = true;
    this.#tell();
  }

  /** The uploads go on: the newcomer's session ends, and the reader of before signs in again. */
  async keepUploads() {
    if (!(await this.#signOut())) return;
    this.newcomer = false;
    this.#askWho(true);
  }

  /** The newcomer goes on, and what the reader of before had to send is dropped. */
  discardUploads() {
    this.newcomer = false;
    this.#end();
    if (this.user === null) this.enter();
    else window.location.reload(); // they signed in in another tab
  }

  // False without a network: the session is still there.
  async #signOut() {
    try {
      await signOut();
    } catch (error) {
      if (error instanceof NetworkError) {
        toast(errorText(error), 'bad');
        return false;
      }
      if (!(error instanceof ApiError)) throw error; // the session was over already
      forget();
    }
    forgetTab();
    return true;
  }

  #learn(user) {
    if (this.work !== null) {
      const { uploads, user: before } = this.work;
      if (user.default_collection !== before.default_collection) uploads.collection = user.default_collection;
      this.work = { ...this.work, user };
    }
    this.user = user;
    this.#tell();
  }

  /** Sign out; what is still to be sent is dropped. */
  async leave() {
    if (!(await this.#signOut())) return;
    this.#end();
    this.#askWho(false);
    go(pageAddress('/'), { replace: true });
  }

  #end() {
    actions.leave();
    this.work?.uploads.discard();
    this.work?.live.stop();
    this.work = null;
  }

  #askWho(sessionEnded) {
    this.ended = sessionEnded;
    this.asked += 1;
    forget();
    this.user = null;
    this.work?.live.stop();
    this.work?.uploads.queue.holds.hold('session'); // the same reader goes on with them after signing in again
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}
