// Where this portal lies below its host: the path of PUBLIC_URL, which the server writes into the page.

/** For example `/dicom`; mostly nothing. */
export const root = document.documentElement.dataset.base ?? '';
