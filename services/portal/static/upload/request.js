// One file in one request. XMLHttpRequest, because fetch cannot tell how much of a body has been sent.

import { ApiError, NetworkError, problemFrom, renewOrEnd } from '../app/api.js';
import { addressed } from '../app/link-mode.js';

/**
 * Send `file`. Resolves to its entry {id, file_name, state, duplicate?} of the answer.
 * `onProgress(bytes sent)`. Rejects with ApiError, NetworkError, or AbortError when `signal` fires.
 */
export async function sendFile(file, { onProgress, signal }) {
  let answer = await post(file, onProgress, signal);
  if (answer.status === 401 && (await renewOrEnd())) answer = await post(file, onProgress, signal);
  return readAnswer(answer);
}

function post(file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const aborted = () => new DOMException('cancelled', 'AbortError');
    if (signal.aborted) {
      reject(aborted());
      return;
    }
    const xhr = new XMLHttpRequest();
    const stop = () => xhr.abort();
    signal.addEventListener('abort', stop, { once: true });
    xhr.upload.addEventListener('progress', (event) => onProgress(Math.min(event.loaded, file.size)));
    xhr.upload.addEventListener('load', () => onProgress(file.size));
    xhr.addEventListener('load', () => resolve({ status: xhr.status, text: xhr.responseText }));
    xhr.addEventListener('error', () => reject(new NetworkError(file.name)));
    xhr.addEventListener('abort', () => reject(aborted()));
    xhr.addEventListener('loadend', () => signal.removeEventListener('abort', stop));
    xhr.open('POST', addressed('/api/files'));
    xhr.setRequestHeader('Accept', 'application/json');
    const form = new FormData();
    form.append('file', file, file.name);
    xhr.send(form);
  });
}

function readAnswer({ status, text }) {
  const answer = problemFrom(text);
  const entry = answer.files?.[0];
  if (status >= 200 && status < 300 && entry && !entry.problem) return entry;
  throw new ApiError(status, { ...answer, ...problemOf(entry) });
}

// An entry's problem is either its code or a problem document of its own.
function problemOf(entry) {
  if (typeof entry?.problem === 'string') return { code: entry.problem };
  return entry?.problem ?? {};
}
