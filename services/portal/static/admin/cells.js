// What stands in cells, of more than one resource.

import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { adminAddress } from './engine.js';

/** Text of people, whatever way it is written. */
export const text = (value) => (value ? html`<bdi title=${value}>${value}</bdi>` : '—');

/** A moment, or "—". */
export const time = (iso) => html`<time datetime=${iso ?? undefined}>${formatTime(iso)}</time>`;

/** Yes or no, by more than a colour. */
export const mark = (holds) =>
  holds ? html`<${Icon} name="check" /><span class="visually-hidden">${t('admin.yes')}</span>` : html`<span class="quiet">${t('admin.no')}</span>`;

/** A word with its colour. */
export const badge = (label, tone = 'quiet', icon = '') =>
  html`<span class=${`badge tone-${tone}`}>${icon && html`<${Icon} name=${icon} />`}${label}</span>`;

const STATES = { received: ['clock', 'pending'], processed: ['check', 'good'], failed: ['alert', 'bad'] };

/** The state of a file. */
export const fileState = (state) => {
  const [icon, tone] = STATES[state] ?? ['info', 'quiet'];
  return badge(t(`state.${state}`), tone, icon);
};

/** The name of the row, as a link to its page. */
export const object = (resource, key, label) =>
  html`<a class="grid-link" href=${adminAddress(resource, key)} data-route tabindex="-1"><bdi>${label}</bdi></a>`;

/** Of a collection, `user:7` or `group:3`: kind and id. */
export function collectionOwner(collection) {
  const [kind, id] = collection.split(':');
  return { kind, id: Number(id) };
}

/** The collection's owner by name. */
export const collection = (value, { names }) => {
  const { kind, id } = collectionOwner(value);
  return html`<bdi>${names(kind, id)}</bdi>`;
};

/** Ids of a row's owners, for their names. */
export function ownersOf({ owner_id: owner, collection: value }) {
  const { kind, id } = collectionOwner(value);
  return { users: [owner, ...(kind === 'user' ? [id] : [])], groups: kind === 'group' ? [id] : [] };
}
