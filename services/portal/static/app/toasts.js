// What became of the reader's own acts, said in a corner. Failures stay until they are dismissed.

const STAY = 6000;
let next = 0;
const listeners = new Set();
/** @type {{id: number, text: string, tone: string}[]} */
let shown = [];

function set(toasts) {
  shown = toasts;
  for (const listener of listeners) listener(shown);
}

/** Say `text` (already in the reader's language). */
export function toast(text, tone = 'good') {
  next += 1;
  const id = next;
  set([...shown.slice(-3), { id, text, tone }]);
  if (tone !== 'bad') setTimeout(() => dismiss(id), STAY);
}

/** Take one away. */
export function dismiss(id) {
  set(shown.filter((entry) => entry.id !== id));
}

/** Call `listener(toasts)` after each change; returns how to stop it. */
export function onToasts(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
