// Names of people and groups, whom the other answers know by number: asked for together, and kept.

import { useEffect, useState } from '../vendor/hooks.mjs';
import { foreseen, request, withQuery } from './api.js';
import { byLink } from './link-mode.js';

const MOST = 150; // ids in one question

/** @type {Map<string, {name: string, full_name: string} | null>} */
const known = new Map(); // by `user:7` or `group:3`; null: there is none, or nobody could tell
const listeners = new Set();
let wanted = new Set();

/** The name of `user:7` or `group:3`; null for whom it is not known (yet). */
export function nameOf(id) {
  const entry = known.get(id);
  return entry ? entry.full_name || entry.name : null;
}

/** Have the names of these, and be rendered anew once they are there. */
export function useNames(ids) {
  const [, render] = useState(0);
  useEffect(() => {
    const listen = () => render((count) => count + 1);
    listeners.add(listen);
    return () => listeners.delete(listen);
  }, []);
  const missing = byLink ? [] : ids.filter((id) => !known.has(id));
  useEffect(() => {
    if (missing.length === 0) return;
    if (wanted.size === 0) setTimeout(ask);
    for (const id of missing) wanted.add(id);
  }, [missing.join()]);
}

async function ask() {
  const ids = [...wanted].filter((id) => !known.has(id));
  wanted = new Set();
  for (const id of ids) known.set(id, null); // asked for once
  for (let at = 0; at < ids.length; at += MOST) await learn(ids.slice(at, at + MOST));
  for (const listener of listeners) listener();
}

async function learn(ids) {
  const of = (kind) => ids.filter((id) => id.startsWith(`${kind}:`)).map((id) => id.slice(kind.length + 1)).join(',');
  try {
    const answer = await request(withQuery('/api/auth/directory', { users: of('user'), groups: of('group') }));
    for (const entry of answer.entries) known.set(`${entry.kind}:${entry.id}`, entry);
  } catch (error) {
    if (!foreseen(error)) throw error;
    for (const id of ids) known.delete(id); // the next page asks again
  }
}
