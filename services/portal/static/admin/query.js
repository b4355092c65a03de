// What a list is asked: from its address and back, and to the server. Nothing here touches the page.

/** @typedef {{q: string, sort: string, cursor: string, filters: Record<string, string>}} ListQuery */

/**
 * @param {import('./engine.js').Descriptor} descriptor
 * @returns {ListQuery}
 */
export function listQuery(descriptor, text) {
  const given = new URLSearchParams(text);
  const sorts = (descriptor.columns ?? []).flatMap(({ sort }) => (sort ? [sort, `-${sort}`] : []));
  const sort = given.get('sort') ?? '';
  const filters = (descriptor.filters ?? [])
    .map(({ name }) => [name, given.get(name)?.trim() ?? ''])
    .filter(([, value]) => value !== '');
  return {
    q: given.get('q')?.trim() ?? '',
    sort: sorts.includes(sort) ? sort : (descriptor.sort ?? ''),
    cursor: given.get('cursor') ?? '',
    filters: Object.fromEntries(filters),
  };
}

/** The address's query, e.g. `?q=ana`; what is as at the start is left out. */
export function addressQuery(descriptor, { q, sort, cursor, filters }) {
  const query = new URLSearchParams(filters);
  if (q) query.set('q', q);
  if (sort && sort !== (descriptor.sort ?? '')) query.set('sort', sort);
  if (cursor) query.set('cursor', cursor);
  const text = query.toString();
  return text ? `?${text}` : '';
}

/** What the server is asked with. */
export function serverQuery(descriptor, { q, sort, cursor, filters }) {
  if (descriptor.local) return {};
  const sorted = descriptor.columns.some((column) => column.sort);
  const chosen = (descriptor.filters ?? [])
    .filter(({ name }) => name in filters)
    .map(({ name, ask = (value) => value }) => [name, ask(filters[name])]);
  return {
    ...descriptor.always,
    ...Object.fromEntries(chosen),
    ...(descriptor.search && q ? { [descriptor.search]: q } : {}),
    ...(sorted ? { sort } : {}),
    cursor,
  };
}

const folded = (value) =>
  String(value ?? '')
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase();

/** Rows of a whole answer, searched by words in any order, filtered and sorted here. */
export function chosenHere(descriptor, rows, { q, sort, filters }) {
  const words = folded(q).split(/\s+/).filter(Boolean);
  const value = (row, name) => row[name] ?? '';
  const found = rows.filter(
    (row) =>
      words.every((word) => folded(descriptor.words?.(row) ?? Object.values(row).flat().join(' ')).includes(word)) &&
      Object.entries(filters).every(([name, wanted]) => [value(row, name)].flat().map(String).includes(wanted)),
  );
  if (!sort) return found;
  const name = sort.replace('-', '');
  const order = sort.startsWith('-') ? -1 : 1;
  const compare = (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  return found.sort((a, b) => order * compare(value(a, name), value(b, name)));
}
