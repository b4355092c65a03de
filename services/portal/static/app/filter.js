// What a list is filtered and sorted by: from the address and back, and from what people type.

/** @typedef {Record<string, string>} Filter */

const STATE_WORDS = { error: 'failed', cola: 'received', queue: 'received', procesado: 'processed', ok: 'processed' };

/**
 * The filters of one list. `words`: what people type before a colon, in both languages.
 * @param {{names: string[], states: string[], sorts: string[], words: Record<string, string>}} known the first sort is the usual one
 */
export function filterLanguage({ names, states, sorts, words }) {
  /** The filter of an address's query. @returns {Filter} */
  function filterOf(query) {
    const given = new URLSearchParams(query);
    const found = Object.fromEntries(names.map((name) => [name, given.get(name)?.trim() ?? '']));
    if (!states.includes(found.state)) found.state = '';
    return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== ''));
  }

  /** The order of an address's query. */
  function sortOf(query) {
    const sort = new URLSearchParams(query).get('sort');
    return sorts.includes(sort) ? sort : sorts[0];
  }

  /** The query of a filter and an order, e.g. `?q=garcia`; empty for all in the usual order. */
  function queryOf(filter, sort = sorts[0]) {
    const query = new URLSearchParams(filter);
    if (sort !== sorts[0]) query.set('sort', sort);
    const text = query.toString();
    return text ? `?${text}` : '';
  }

  /** What was typed, as a filter: `mod:ct garcia` asks for a modality and a word. @returns {Filter} */
  function typed(text) {
    /** @type {Filter} */
    const found = {};
    const rest = text.replace(/(\p{L}+):(\S+)/gu, (whole, word, value) => {
      const name = words[word.toLowerCase()];
      const meant = name === 'modality' ? value.toUpperCase() : (STATE_WORDS[value.toLowerCase()] ?? value);
      if (name === undefined || (name === 'state' && !states.includes(meant))) return whole;
      found[name] = name === 'state' || name === 'modality' ? meant : value;
      return '';
    });
    const q = rest.replace(/\s+/g, ' ').trim();
    return q ? { ...found, q } : found;
  }
  return { filterOf, sortOf, queryOf, typed };
}

/** The filter with one value more or less among those of `name`, separated by commas. */
export function toggled(filter, name, value) {
  const values = (filter[name] ?? '').split(',').filter(Boolean);
  const next = values.includes(value) ? values.filter((other) => other !== value) : [...values, value];
  return set(filter, name, next.join(','));
}

/** The filter with `name` set, or without it for an empty value. */
export function set(filter, name, value) {
  const { [name]: _, ...rest } = filter;
  return value ? { ...rest, [name]: value } : rest;
}
