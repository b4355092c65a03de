// What administrators changed: of one object, or lately.

import { foreseen, request, withQuery } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { hasText, t } from '../app/i18n.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { adminAddress } from './engine.js';
import { learn } from './rows.js';

const KINDS = { 1: ['add', 'good', 'added'], 2: ['edit', 'pending', 'changed'], 3: ['trash', 'bad', 'deleted'] };
const PAGES = { user: 'users', group: 'groups', serviceaccount: 'service-accounts', application: 'applications' };

/** What of an object changed, in the reader's words: the names of its fields. */
export function fieldsChanged(message) {
  let told;
  try {
    told = JSON.parse(message);
  } catch {
    return []; // of a release that wrote sentences
  }
  return (Array.isArray(told) ? told : [])
    .flatMap((one) => Object.values(one ?? {}))
    .flatMap((one) => /** @type {any} */ (one)?.fields ?? [])
    .map((name) => (hasText(`adminField.${name}`) ? t(`adminField.${name}`) : name));
}

/**
 * The newest entries that `query` finds, with more on demand. `named`: each says of what it is.
 * @param {{query: Record<string, string>, changed?: number, named?: boolean, limit?: number}} properties
 */
export function LogEntries({ query, changed = 0, named = true, limit = 10 }) {
  const [{ entries, cursor, error }, setShown] = useState(/** @type {any} */ ({ entries: null, cursor: null, error: null }));
  const [names] = useState(() => new Map());
  const [again, setAgain] = useState(0);
  const asked = JSON.stringify(query);
  const load = async (before, from, signal) => {
    try {
      const page = await request(withQuery('/api/auth/admin-log', { ...query, limit, cursor: from }), { signal });
      await learn(names, { users: new Set(page.entries.map((entry) => entry.user_id).filter(Boolean)), groups: new Set() }, signal);
      setShown({ entries: [...before, ...page.entries], cursor: page.next_cursor, error: null });
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      if (!foreseen(problem)) throw problem;
      setShown({ entries: null, cursor: null, error: problem });
    }
  };
  useEffect(() => {
    const leaving = new AbortController();
    load([], null, leaving.signal);
    return () => leaving.abort();
  }, [asked, changed, again]);
  if (error !== null) return html`<${ErrorState} error=${error} retry=${() => setAgain(again + 1)} />`;
  if (entries === null) return html`<${Skeleton} lines=${4} />`;
  if (entries.length === 0) return html`<p class="quiet">${t('admin.noActions')}</p>`;
  return html`<ol class="log-entries">
      ${entries.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} named=${named} who=${names.get(`user ${entry.user_id}`)} />`)}
    </ol>
    ${cursor !== null && html`<${Button} label=${t('admin.more')} small onClick=${() => load(entries, cursor, undefined)} />`}`;
}

/** Of an entry's flag: icon, tone, and the name of its word. */
export function changeKind(flag) {
  return KINDS[flag] ?? KINDS[2];
}

/** What kind of object an entry is about, in the reader's words. */
export function changeModel({ model }) {
  return hasText(`permissionModel.${model}`) ? t(`permissionModel.${model}`) : (model ?? '—');
}

function Entry({ entry, named, who }) {
  const [icon, tone, kind] = changeKind(entry.action_flag);
  const fields = fieldsChanged(entry.change_message);
  const page = PAGES[entry.model];
  const name = entry.object_repr || entry.object_id;
  const model = changeModel(entry);
  const there = page !== undefined && entry.action_flag !== 3;
  return html`<li class=${`tone-${tone}`}>
    <${Icon} name=${icon} />
    <div>
      <p>
        ${t(`logKind.${kind}`)}${' '}
        ${named &&
        html`${there
            ? html`<a href=${adminAddress(page, entry.object_id)} data-route><bdi>${name}</bdi></a>`
            : html`<bdi>${name}</bdi>`} <span class="quiet">${model}</span>`}
        ${fields.length > 0 && html`<span class="quiet"> · ${fields.join(', ')}</span>`}
      </p>
      <p class="quiet">
        <bdi>${entry.user_id === 0 ? t('admin.operator') : (who ?? entry.user_id)}</bdi> · <time datetime=${entry.action_time}>${formatTime(entry.action_time)}</time>
      </p>
    </div>
  </li>`;
}

/** @param {{model: [string, string], objectKey: string, changed: number}} properties */
export function ObjectHistory({ model: [, model], objectKey, changed }) {
  return html`<section class="card" aria-labelledby="history-heading">
    <h2 id="history-heading">${t('admin.history')}</h2>
    <${LogEntries} query=${{ model, object: objectKey }} named=${false} changed=${changed} />
  </section>`;
}
