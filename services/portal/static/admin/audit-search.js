// What somebody who searches the audit log means: a person, a study, an object, an act.

import { request, withQuery } from '../app/api.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The filter that a text is by its form; null for a name, of which the directory knows who that is. */
export function meant(text) {
  if (UUID.test(text)) return { object: text.toLowerCase() };
  if (/^\d+(\.\d+)+$/.test(text)) return { study: text };
  if (/^(user|link):\S+$|^(operator|system|anonymous)$/.test(text)) return { actor: text };
  if (/^\d+$/.test(text)) return { object: text };
  if (/^[a-z]+([_.-][a-z]+)+$/.test(text)) return { action: text };
  return null;
}

/** The filter of a text. Throws what `request` throws. @returns {Promise<Record<string, string>>} */
export async function auditFilter(text) {
  const found = meant(text);
  if (found !== null) return found;
  const { entries } = await request(withQuery('/api/auth/directory', { q: text, limit: 20 }));
  const person = entries.find(({ kind, name }) => kind === 'user' && name === text) ?? entries.find(({ kind }) => kind === 'user');
  return { actor: person ? `user:${person.id}` : text };
}

/** The first moment of a day where the reader is, `days` later; what is no day stays for the server to refuse. */
export function dayBegins(day, days = 0) {
  const [year, month, date] = day.split('-').map(Number);
  const found = new Date(year, month - 1, date + days);
  return Number.isNaN(found.getTime()) ? day : found.toISOString();
}
