// Files out of a drop: folders are walked to their last level.

const LITTER = /^(\..*|thumbs\.db|desktop\.ini)$/i; // what operating systems leave in folders

/** Whether this drag carries files (and not, say, a piece of text). */
export function carriesFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes('Files');
}

/** The files of a folder picker without the operating system's own. */
export function withoutLitter(files) {
  return [...files].filter((file) => !LITTER.test(file.name));
}

/** All files of a drop. Returns {files, unreadable}: how many entries the browser could not open. */
export async function droppedFiles(dataTransfer) {
  // The item list is only valid during the event: take the entries before the first await.
  const items = [...dataTransfer.items].filter((item) => item.kind === 'file');
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  const found = { files: [], unreadable: 0 };
  for (const entry of entries) await collect(entry, found, false);
  return found;
}

async function collect(entry, found, inFolder) {
  if (entry instanceof File) found.files.push(entry);
  else if (entry.isFile && inFolder && LITTER.test(entry.name)) return;
  else if (entry.isFile) await read(found, async () => found.files.push(await fileOf(entry)));
  else if (entry.isDirectory) {
    await read(found, async () => {
      for (const child of await childrenOf(entry)) await collect(child, found, true);
    });
  }
}

async function read(found, work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    found.unreadable += 1; // gone, locked or not permitted
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
