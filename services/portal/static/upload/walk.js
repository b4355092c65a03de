// Files out of pickers, drops and the clipboard, with their paths: folders are walked to their last level, a few
// milliseconds at a time.

const TURN = 8; // milliseconds after which the page has its turn
const MOST = 250; // files at once

/** @typedef {{file: File, path: string, size: number}} Found `path`: relative, with the name of the file */
/** @typedef {{files: Found[], unreadable: number}} Portion `unreadable`: entries that the browser could not open */

/** Whether this drag or clipboard carries files (and not, say, a piece of text). */
export function carriesFiles(transfer) {
  return [...(transfer?.types ?? [])].includes('Files');
}

/** The entries of a drop or of the clipboard: valid during the event only, so take them before anything is awaited. */
export function entriesOf(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === 'file');
  return items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
}

/** What a picker gave. @param {Iterable<File>} files @returns {AsyncGenerator<Portion>} */
export async function* picked(files) {
  const portions = new Portions();
  for (const file of files) {
    portions.add(file, file.webkitRelativePath || file.name);
    if (portions.full) yield await portions.take();
  }
  yield await portions.take();
}

/** All files below these entries. @returns {AsyncGenerator<Portion>} */
export async function* walked(entries) {
  const portions = new Portions();
  const left = [...entries].reverse();
  while (left.length > 0) {
    const entry = left.pop();
    try {
      if (entry instanceof File) portions.add(entry, entry.name);
      else if (entry.isFile) portions.add(await fileOf(entry), entry.fullPath.replace(/^\/+/, ''));
      else for (const child of (await childrenOf(entry)).reverse()) left.push(child);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      portions.unreadable += 1; // gone, locked or not permitted
    }
    if (portions.full) yield await portions.take();
  }
  yield await portions.take();
}

class Portions {
  #files = /** @type {Found[]} */ ([]);
  #since = performance.now();

  constructor() {
    this.unreadable = 0;
  }

  add(file, path) {
    // Browsers ask the disc for the size, which is most of what queueing takes: here it counts for the turn.
    this.#files.push({ file, path, size: file.size });
  }

  get full() {
    return this.#files.length >= MOST || performance.now() - this.#since > TURN;
  }

  async take() {
    const portion = { files: this.#files, unreadable: this.unreadable };
    await new Promise((resolve) => setTimeout(resolve));
    this.#files = [];
    this.unreadable = 0;
    this.#since = performance.now();
    return portion;
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

async function childrenOf(folder) {
  const reader = folder.createReader();
  const children = [];
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100
    if (batch.length === 0) return children;
    children.push(...batch);
  }
}
