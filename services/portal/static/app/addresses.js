// Addresses of this application's own views.

import { base, byLink } from './link-mode.js';
import { root } from './root.js';

/** A page of this portal by its path, e.g. `/studies`. */
export function pageAddress(path) {
  return `${root}${path}`;
}

/** The page of one study; `query` begins with `?`. */
export function studyPage(studyUid, query = '') {
  return `${base}/studies/${encodeURIComponent(studyUid)}${query}`;
}

/** The viewer of a study: at a series, and at the image of a file. */
export function viewerAddress(studyUid, { series = '', image = '', collection = '' } = {}) {
  const query = new URLSearchParams(Object.entries({ series, image, collection: byLink ? '' : collection }).filter(([, value]) => value !== ''));
  return `${base}/studies/${encodeURIComponent(studyUid)}/view?${query}`;
}

/** The view of one result. */
export function resultAddress(fileId) {
  return `${base}/results/${encodeURIComponent(fileId)}`;
}

const LAST_LIST = byLink ? 'dicom.link' : 'dicom.list';

/** Remember the list in the address bar, with its filters, for the way back from a result (this tab only). */
export function rememberList() {
  sessionStorage.setItem(LAST_LIST, window.location.pathname + window.location.search);
}

/** The list, filtered as the reader left it. */
export function listAddress() {
  return sessionStorage.getItem(LAST_LIST) ?? (byLink ? `${base}/` : `${base}/files`);
}
