// Addresses of this application's own views.

import { base, byLink } from './link-mode.js';

/** The view of one result. */
export function resultAddress(fileId) {
  return `${base}/results/${encodeURIComponent(fileId)}`;
}

const LAST_LIST = byLink ? 'dicom.link' : 'dicom.list';

/** Remember the list's filters for the way back from a result (this tab only). */
export function rememberList(query) {
  sessionStorage.setItem(LAST_LIST, query);
}

/** The list, filtered as the reader left it. */
export function listAddress() {
  const query = sessionStorage.getItem(LAST_LIST);
  return query ? `${base}/?${query}` : `${base}/`;
}
