// Who is signed in, and what belongs to them as long as they are.

import { ApiError, NetworkError, sessionEvents } from './api.js';
import { LiveChanges } from './live.js';
import { errorText } from './problems.js';
import { go } from './router.js';
import { pageAddress } from './addresses.js';
import { currentUser, followOtherTabs, forget, resume, signOut } from './session.js';
import { toast } from './toasts.js';

/** Events: `change`. `work` ({user, live, uploads}) is there for readers who may go on, and outlives every page. */
export class AppState extends EventTarget {
  #makeUploads;

  /** `makeUploads()` gives {queue, panel}. */
  constructor(makeUploads) {
    super();
    this.#makeUploads = makeUploads;
    this.ended = false; // whether the reader had a session before being asked to sign in
    this.reset = false; // whether the reader has just chosen a password by a link
    this.work = null;
    this.user = null;
    this.error = null;
    followOtherTabs();
    sessionEvents.addEventListener('ended', () => currentUser() !== null && this.#askWho(true));
    window.addEventListener('beforeunload', (event) => {
      if (this.uploading > 0) event.preventDefault(); // the browser asks in its own words
    });
  }

  /** How many files are still on their way. */
  get uploading() {
    return this.work?.uploads.queue.summary().active ?? 0;
  }

  /** Find out who is there. */
  async open() {
    this.error = null;
    try {
      if (await resume()) this.enter();
      else this.#askWho(false);
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
      this.error = error;
      this.#tell();
    }
  }

  /** Somebody signed in, or chose a password. */
  enter() {
    const user = currentUser();
    if (this.work !== null && this.work.user.user_id !== user.user_id) this.#end();
    if (this.work === null && !user.must_change_password) this.#begin(user);
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
    const uploads = this.#makeUploads();
    const live = new LiveChanges(() => !uploads.queue.busy);
    live.addEventListener('change', (/** @type {CustomEventInit} */ { detail }) =>
      uploads.queue.learn(detail.file_id, detail.state),
    );
    this.work = { user, live, uploads };
  }

  /** Sign out; what is still to be sent is dropped. */
  async leave() {
    try {
      await signOut();
    } catch (error) {
      if (error instanceof NetworkError) return toast(errorText(error), 'bad');
      if (!(error instanceof ApiError)) throw error; // the session was over already
    }
    this.#end();
    this.#askWho(false);
    return go(pageAddress('/'), { replace: true });
  }

  #end() {
    this.work?.uploads.queue.cancelAll();
    this.work?.live.stop();
    this.work = null;
  }

  #askWho(sessionEnded) {
    this.ended = sessionEnded;
    forget();
    this.user = null;
    this.work?.live.stop(); // uploads stay: the same reader goes on with them after signing in again
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}
