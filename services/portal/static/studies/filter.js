// What a list of studies is filtered and sorted by: from the address and back, and to the server.

const NAMES = ['q', 'patient', 'state', 'modality', 'study_from', 'study_to', 'received', 'device', 'shared'];
export const STATES = ['processed', 'received', 'failed'];
export const DEFAULT_SORT = '-received';
const SORTS = ['-received', 'received', '-study_date', 'study_date', '-patient', 'patient'];

/** What people type before a colon, in both languages. */
const WORDS = {
  mod: 'modality',
  modalidad: 'modality',
  modality: 'modality',
  estado: 'state',
  state: 'state',
  paciente: 'patient',
  patient: 'patient',
  equipo: 'device',
  device: 'device',
};
const STATE_WORDS = { error: 'failed', cola: 'received', queue: 'received', procesado: 'processed', ok: 'processed' };

/** @typedef {Record<string, string>} Filter */

/** The filter of an address's query. @returns {Filter} */
export function filterOf(query) {
  const given = new URLSearchParams(query);
  const found = Object.fromEntries(NAMES.map((name) => [name, given.get(name)?.trim() ?? '']));
  if (!STATES.includes(found.state)) found.state = '';
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== ''));
}

/** The order of an address's query. */
export function sortOf(query) {
  const sort = new URLSearchParams(query).get('sort');
  return SORTS.includes(sort) ? sort : DEFAULT_SORT;
}

/** The query of a filter and an order, e.g. `?q=garcia`; empty for all, the latest first. */
export function queryOf(filter, sort = DEFAULT_SORT) {
  const query = new URLSearchParams(filter);
  if (sort !== DEFAULT_SORT) query.set('sort', sort);
  const text = query.toString();
  return text ? `?${text}` : '';
}

/**
 * What was typed, as a filter: `mod:ct garcia` asks for a modality and a word.
 * @returns {Filter}
 */
export function typed(text) {
  /** @type {Filter} */
  const found = {};
  const rest = text.replace(/(\p{L}+):(\S+)/gu, (whole, word, value) => {
    const name = WORDS[word.toLowerCase()];
    const meant = name === 'modality' ? value.toUpperCase() : (STATE_WORDS[value.toLowerCase()] ?? value);
    if (name === undefined || (name === 'state' && !STATES.includes(meant))) return whole;
    found[name] = name === 'state' || name === 'modality' ? meant : value;
    return '';
  });
  const q = rest.replace(/\s+/g, ' ').trim();
  return q ? { ...found, q } : found;
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
