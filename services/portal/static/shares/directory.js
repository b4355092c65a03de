// People and groups: found by name, to share with, and those whom shares speak of.

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

/** Whom these shares are with or from. */
export function peopleOf(shares) {
  return shares.flatMap((share) => [`user:${share.created_by}`, share.grantee && granteeKey(share)]).filter(Boolean);
}
