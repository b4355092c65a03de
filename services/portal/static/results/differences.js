// Two results beside each other: what differs, and by how much. Nothing here touches the page.

import { lines } from '../dicom/json-model.js';

/** Numbers that both have: {difference, relative} (null where nothing can be divided by), or null. */
export function difference(a, b) {
  if (typeof a !== 'number' || typeof b !== 'number') return null;
  return { difference: b - a, relative: a === 0 ? null : (b - a) / Math.abs(a) };
}

/** Measures of both by name, in the order of the first: {name, a, b}; each is a row of `measuresOf`, or undefined. */
export function paired(first, second) {
  const others = new Map(second.map((row) => [row[0], row]));
  const both = first.map((row) => ({ name: row[0], a: row, b: others.get(row[0]) }));
  const known = new Set(first.map(([name]) => name));
  return [...both, ...second.filter(([name]) => !known.has(name)).map((row) => ({ name: row[0], a: undefined, b: row }))];
}

/** The lines of two headers by where they lie: {line, a, b, same}; texts are null where one has no such element. */
export function headerLines(first, second, names, words) {
  const of = (dataset) => new Map([...lines(dataset, names, words, () => true)].map((line) => [line.path, line]));
  const [a, b] = [of(first), of(second)];
  const paths = [...new Set([...a.keys(), ...b.keys()])].sort();
  const told = (line) => (line === undefined ? null : line.items ? String(line.items.length) : line.text);
  return paths
    .map((path) => ({ line: a.get(path) ?? b.get(path), a: told(a.get(path)), b: told(b.get(path)) }))
    .filter(({ line }) => line.item === undefined)
    .map((row) => ({ ...row, same: row.a === row.b }));
}
