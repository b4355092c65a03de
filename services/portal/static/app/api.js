// JSON over fetch: problem documents become ApiError, an expired session is renewed once, silently.

import { addressed, byLink, whoAddress } from './link-mode.js';
import { NetworkError, renew } from './renewal.js';

export { NetworkError };

const PROOFS = ['wrong-credentials', 'wrong-code'];

/**
 * Events: `ended` when the session is over: the reader must sign in again, or the link is over (detail: ApiError);
 * `profile` when readers have changed what is known of them.
 */
export const sessionEvents = new EventTarget();

/** A problem document (RFC 9457). `code` is stable; `detail` is the server's English sentence. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? `http-${status}`;
    this.detail = problem.detail ?? '';
    this.problem = problem;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status >= 500 || [408, 429, 499].includes(this.status); // 499: the connection broke
  }
}

/** Whether it is one of those that calls of this module throw, and no mistake of the page. @returns {boolean} */
export function foreseen(error) {
  return error instanceof ApiError || error instanceof NetworkError;
}

/** The same, or that the reader has left or something else has come in its place. @returns {boolean} */
export function foreseenOrStopped(error) {
  return foreseen(error) || error.name === 'AbortError';
}

/** Parse a problem document, or make one from whatever a proxy in between answered. */
export function problemFrom(text) {
  try {
    const problem = JSON.parse(text);
    return problem !== null && typeof problem === 'object' ? problem : {};
  } catch {
    return {};
  }
}

/** What comes over the network, an answer or its body: the connection may break at either. Throws NetworkError or AbortError. */
export async function whole(path, coming) {
  try {
    return await coming;
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new NetworkError(path, { cause: error });
  }
}

// A wrong password or code is told by a 401 too; sent again with another token, it would count twice.
async function ofSession(response) {
  return !PROOFS.includes(problemFrom(await whole(response.url, response.clone().text())).code);
}

/** Renew the session, or announce its end. */
export async function renewOrEnd() {
  if (await renew()) return true;
  sessionEvents.dispatchEvent(new CustomEvent('ended'));
  return false;
}

/**
 * Ask the server for whatever it is: its answer, the body not yet read. Throws ApiError, NetworkError, or AbortError
 * when `signal` fires. `renewing: false` leaves a 401 as it is, and so does a link's page, which has nothing to renew;
 * `announcing: false` keeps it to itself there.
 * @param {string} path
 * @param {RequestInit & {renewing?: boolean, announcing?: boolean}} [options]
 */
export async function fetched(path, { renewing = !byLink, announcing = byLink, ...options } = {}) {
  let response = await whole(path, fetch(addressed(path), options));
  if (response.status === 401 && renewing && (await ofSession(response)) && (await renewOrEnd()))
    response = await whole(path, fetch(addressed(path), options));
  if (response.ok) return response;
  const error = new ApiError(response.status, problemFrom(await whole(path, response.text())));
  if (announcing && error.status === 401) {
    sessionEvents.dispatchEvent(new CustomEvent('ended', { detail: error }));
  }
  throw error;
}

/**
 * Ask the server in JSON. Returns what it answers parsed, or null for an empty answer. Throws and renews as `fetched`.
 * @param {string} path
 * @param {{method?: string, json?: unknown, signal?: AbortSignal, renewing?: boolean, announcing?: boolean}} [options]
 * @returns {Promise<any>}
 */
export async function request(path, { json, ...more } = {}) {
  /** @type {RequestInit & {headers: Record<string, string>}} */
  const options = { ...more, headers: { Accept: 'application/json' } };
  if (json !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(json);
  }
  const text = await whole(path, (await fetched(path, options)).text());
  try {
    return text ? JSON.parse(text) : null;
  } catch (error) {
    throw new NetworkError(path, { cause: error }); // a proxy's page in place of the answer
  }
}

/** Make sure of the session before something that cannot be asked again: renew it, or announce its end. */
export function checkSession() {
  return request(whoAddress);
}

/** A path with those query parameters that have a value. */
export function withQuery(path, parameters) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== '' && value !== null && value !== undefined),
  ).toString();
  return query ? `${path}?${query}` : path;
}

/** Addresses of one result; the id goes into a path, so it is escaped. Pictures and files are fetched as they are. */
export const resultPaths = (fileId) => {
  const base = `/api/results/${encodeURIComponent(fileId)}`;
  return {
    self: base,
    /** Longest side in pixels: 64, 128 or 256. */
    thumbnail: (size) => addressed(`${base}/thumbnail?size=${size}`),
    file: addressed(`${base}/file`),
    frameMeans: `${base}/frame-means`,
    log: `${base}/log`,
    neighbours: `${base}/neighbours`,
    retry: `${base}/retry`,
  };
};
