// Where the files go: one's own collection, or that of a group which lets one add to it.

import { ApiError, NetworkError, request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

/** The collections that `user` may add to, one's own first. */
export function writable(user) {
  const own = `user:${user.user_id}`;
  const managed = Object.keys(user.collections).filter((name) => user.collections[name] === 'manage' && name !== own);
  return [own, ...managed.sort((one, other) => idOf(one) - idOf(other))];
}

function idOf(collection) {
  return Number(collection.split(':')[1]);
}

/** Shown to those who have a choice. @param {{uploads: import('./uploads.js').Uploads, user: any}} properties */
export function CollectionChoice({ uploads, user }) {
  const [chosen, setChosen] = useState(uploads.collection);
  const all = writable(user);
  const names = useGroupNames(all.filter((name) => name.startsWith('group:')));
  if (all.length < 2) return null;
  const choose = (event) => {
    uploads.collection = event.target.value;
    setChosen(event.target.value);
  };
  const label = (name) =>
    name.startsWith('user:') ? t('upload.mine') : (names[name] ?? t('upload.group', { id: String(idOf(name)) }));
  return html`<label class="field upload-collection">
    <span>${t('upload.collection')}</span>
    <select name="collection" value=${chosen} onChange=${choose}>
      ${all.map((name) => html`<option key=${name} value=${name} selected=${name === chosen}>${label(name)}</option>`)}
    </select>
  </label>`;
}

function useGroupNames(collections) {
  const [names, setNames] = useState(/** @type {Record<string, string>} */ ({}));
  const ids = collections.map(idOf).slice(0, 150).join(',');
  useEffect(() => {
    if (ids === '') return;
    request(`/api/auth/directory?groups=${ids}`).then(
      ({ entries }) => setNames(Object.fromEntries(entries.map(({ id, name }) => [`group:${id}`, name]))),
      (error) => {
        // Numbers stand in for the names.
        if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
      },
    );
  }, [ids]);
  return names;
}
