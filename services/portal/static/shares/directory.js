// People and groups by name: to share with, and of the ids that shares speak of.

import { request, withQuery } from '../app/api.js';

const shownName = (entry) => entry.full_name || entry.name;

/** Those that match, for a Combobox, without the reader. */
export async function searchGrantees(text, user, signal) {
  const { entries } = await request(withQuery('/api/auth/directory', { q: text, limit: 12 }), { signal });
  return entries
    .filter(({ kind, id }) => kind !== 'user' || id !== user.user_id)
    .map((entry) => ({
      key: `${entry.kind}:${entry.id}`,
      label: shownName(entry),
      detail: entry.full_name && entry.name,
      icon: entry.kind === 'group' ? 'group' : 'person',
      grantee: { [entry.kind]: entry.id },
    }));
}

/** The key of whom a share is with, e.g. `user:7`; null for a link. */
export function granteeKey({ grantee: { user, group } }) {
  if (user !== null) return `user:${user}`;
  return group === null ? null : `group:${group}`;
}

/** Names by key of all whom these shares are with or from. @returns {Promise<Map<string, string>>} */
export async function namesOf(shares, signal) {
  const keys = [...new Set(shares.flatMap((share) => [`user:${share.created_by}`, share.grantee && granteeKey(share)]))].filter(Boolean);
  const ids = (kind) =>
    keys
      .filter((key) => key.startsWith(`${kind}:`))
      .map((key) => key.split(':')[1])
      .join(',');
  if (keys.length === 0) return new Map();
  const path = withQuery('/api/auth/directory', { users: ids('user'), groups: ids('group') });
  const { entries } = await request(path, { signal });
  return new Map(entries.map((entry) => [`${entry.kind}:${entry.id}`, shownName(entry)]));
}
