// Saving onto the reader's computer, by the browser's own downloads.

/** What lies at `address`, as `name`; with an empty one, as the server calls it. */
export function saveFrom(address, name) {
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
}

/** What was made here. @param {Blob} blob @param {string} name */
export function saveBlob(blob, name) {
  const address = URL.createObjectURL(blob);
  saveFrom(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser reads it after the click
}
