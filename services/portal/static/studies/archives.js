// Archives of studies on their way to this computer, with what has come so far; they go on while pages change. Those
// that are larger than LARGEST the browser loads by itself.

import { ApiError, checkSession, foreseen, problemFrom } from '../app/api.js';
import { t } from '../app/i18n.js';
import { saveBlob, saveFrom } from '../app/saving.js';
import { toast } from '../app/toasts.js';

const LARGEST = 2 ** 30;
const HELD = 2 ** 24; // what is gathered before the browser may put it onto the disk

/** @typedef {{received: number, total: number, stop: () => void}} Loading */

/** @type {Map<string, Loading>} by address */
const loading = new Map();
/** @type {Set<() => void>} */
const listeners = new Set();

/** What is on its way from this address, or undefined. */
export const archiveAt = (address) => loading.get(address);

/** Call `listener()` after each change; returns how to stop it. */
export function onArchives(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Load the archive at `address` and save it as `name`. Trouble is told by a toast. */
export async function loadArchive(address, name) {
  const leaving = new AbortController();
  const entry = { received: 0, total: 0, stop: () => leaving.abort() };
  loading.set(address, entry);
  tell();
  try {
    await checkSession();
    const response = await fetch(address, { signal: leaving.signal });
    if (!response.ok) throw new ApiError(response.status, problemFrom(await response.text()));
    entry.total = Number(response.headers.get('X-Total-Bytes'));
    if (entry.total <= LARGEST) return saveBlob(await gathered(response, entry), name);
    leaving.abort();
    return saveFrom(address, name);
  } catch (error) {
    if (error.name !== 'AbortError') toast(t('study.zipFailed', { name }), 'bad');
    if (!(foreseen(error) || error instanceof TypeError || error.name === 'AbortError')) throw error;
  } finally {
    loading.delete(address);
    tell();
  }
}

/** @param {Response} response @param {Loading} entry */
async function gathered(response, entry) {
  const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).getReader();
  /** @type {Blob[]} */
  const blobs = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  let pieces = [];
  let held = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (value) {
      pieces.push(value);
      held += value.length;
      entry.received += value.length;
      tell();
    }
    if (done || held >= HELD) {
      blobs.push(new Blob(pieces));
      [pieces, held] = [[], 0];
    }
    if (done) return new Blob(blobs, { type: 'application/zip' });
  }
}

function tell() {
  for (const listener of listeners) listener();
}
