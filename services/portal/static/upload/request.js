// One file in one request. XMLHttpRequest, because fetch cannot tell how much of a body has been sent.

import { ApiError, NetworkError, problemFrom, renewOrEnd, request, withQuery } from '../app/api.js';
import { addressed } from '../app/link-mode.js';
import { HEAD, isIndex } from './triage.js';

/** Nothing can be sent before somebody signs in. */
export class SessionOver extends Error {}

/**
 * Send the file of an item, with its relative path. Resolves to its entry {id, file_name, state, duplicate?} of the
 * answer. `onProgress(bytes sent)`. Rejects with ApiError, NetworkError, SessionOver, or AbortError when `signal` fires.
 */
export async function sendFile(item, { onProgress, signal }) {
  let answer = await post(item, onProgress, signal);
  if (answer.status === 401) {
    if (!(await renewOrEnd())) throw new SessionOver();
    answer = await post(item, onProgress, signal);
  }
  return readAnswer(answer);
}

/** Whether a file is the index of a disc. Rejects with DOMException when it cannot be read. */
export async function readsAsIndex(file) {
  return isIndex(new Uint8Array(await file.slice(0, HEAD).arrayBuffer()));
}

/** Whether the server answers, in whatever way; the session is renewed where it must. */
export async function serverAnswers() {
  try {
    await request('/api/auth/me');
    return true;
  } catch (error) {
    if (error instanceof ApiError) return error.status < 500;
    if (error instanceof NetworkError) return false;
    throw error;
  }
}

/** Requests that go side by side: browsers open six connections a host, of which live changes have one. */
export function slots() {
  const [page] = performance.getEntriesByType('navigation');
  const { nextHopProtocol = '' } = /** @type {PerformanceNavigationTiming} */ (page ?? {});
  return ['h2', 'h3'].includes(nextHopProtocol) ? 6 : 3;
}

function post({ file, size, folder, name, collection }, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const aborted = () => new DOMException('cancelled', 'AbortError');
    if (signal.aborted) {
      reject(aborted());
      return;
    }
    const xhr = new XMLHttpRequest();
    const stop = () => xhr.abort();
    signal.addEventListener('abort', stop, { once: true });
    xhr.upload.addEventListener('progress', (event) => onProgress(Math.min(event.loaded, size)));
    xhr.upload.addEventListener('load', () => onProgress(size));
    xhr.addEventListener('load', () =>
      resolve({ status: xhr.status, text: xhr.responseText, retryAfter: xhr.getResponseHeader('Retry-After') }),
    );
    xhr.addEventListener('error', () => reject(new NetworkError(name)));
    xhr.addEventListener('abort', () => reject(aborted()));
    xhr.addEventListener('loadend', () => signal.removeEventListener('abort', stop));
    xhr.open('POST', addressed(withQuery('/api/files', { collection })));
    xhr.setRequestHeader('Accept', 'application/json');
    const form = new FormData();
    form.append('file', file, folder ? `${folder}/${name}` : name);
    xhr.send(form);
  });
}

function readAnswer({ status, text, retryAfter }) {
  const answer = problemFrom(text);
  const entry = answer.files?.[0];
  if (status >= 200 && status < 300 && entry && !entry.problem) return entry;
  const seconds = Number.parseFloat(retryAfter ?? '');
  throw new ApiError(status, {
    ...answer,
    ...problemOf(entry),
    ...(Number.isFinite(seconds) && { retry_after: Math.max(seconds, 1) }),
  });
}

// An entry's problem is either its code or a problem document of its own.
function problemOf(entry) {
  if (typeof entry?.problem === 'string') return { code: entry.problem };
  return entry?.problem ?? {};
}
