// Addresses of this application's own views.

/** The view of one result. */
export function resultAddress(fileId) {
  return `/results/${encodeURIComponent(fileId)}`;
}

const LAST_LIST = 'dicom.list';

/** Remember the list's filters for the way back from a result (this tab only). */
export function rememberList(query) {
  sessionStorage.setItem(LAST_LIST, query);
}

/** The list, filtered as the reader left it. */
export function listAddress() {
  const query = sessionStorage.getItem(LAST_LIST);
  return query ? `/?${query}` : '/';
}
