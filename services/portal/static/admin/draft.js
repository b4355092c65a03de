// What is typed into a form, and what of it is new. Nothing here touches the page.

/** What a field holds at first: of the object, or of one that is to be made. */
function first(field, row) {
  if (row !== null && !field.secret) {
    const value = field.read ? field.read(row) : row[field.name];
    return value ?? (field.kind === 'picker' ? [] : field.kind === 'check' ? false : '');
  }
  if (field.start !== undefined) return field.start;
  return field.kind === 'picker' ? [] : field.kind === 'check' ? false : '';
}

/** The fields of a form for adding (`row` null) or changing. */
export function fieldsFor(descriptor, row) {
  return descriptor.fields.filter((field) => (row === null ? field.add !== false : field.change !== false));
}

/** The values of `fields` by name. */
export function valuesOf(fields, row) {
  return Object.fromEntries(fields.map((field) => [field.name, first(field, row)]));
}

function same(a, b) {
  if (!Array.isArray(a)) return a === b;
  const sorted = [...b].sort();
  return a.length === b.length && [...a].sort().every((value, index) => value === sorted[index]);
}

/** Those of `values` that differ from `before`; a list in another order is the same. */
export function changesOf(values, before) {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => !same(value, before[name])));
}

/**
 * What was typed, over what the object is by `now`: the rest of it follows. `conflicts`: names of what was changed here
 * and has become something else there.
 */
export function rebased(values, before, now) {
  const changes = changesOf(values, before);
  const conflicts = Object.keys(changes).filter((name) => !same(now[name], before[name]) && !same(now[name], values[name]));
  return { before: now, values: { ...now, ...changes }, conflicts };
}

/** The body of a request: numbers as numbers, words as a list, and what was left empty on adding left out. */
export function bodyOf(fields, values, { adding = false } = {}) {
  const entries = fields
    .filter(({ name }) => name in values && !(adding && values[name] === ''))
    .map(({ name, kind, numbers, words }) => {
      const value = values[name];
      if (words) return [name, value.split(/\s+/).filter(Boolean)];
      if (kind === 'number' || kind === 'account') return [name, Number(value)];
      return [name, numbers ? value.map(Number) : value];
    });
  return Object.fromEntries(entries);
}

/** Messages by field of a problem document, for fields that the form has; the others belong above it. */
export function messagesOf(fields, error) {
  const told = error.problem?.errors ?? [];
  const names = fields.map(({ name }) => name);
  /** @type {Record<string, {error: any, message: string}>} */
  const found = {};
  for (const { field, message } of told) {
    const name = String(field).split('.')[0];
    if (names.includes(name) && !(name in found)) found[name] = { error, message };
  }
  return found;
}
