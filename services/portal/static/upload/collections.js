// Where the files go: one's own collection, or that of a group which lets one add to it.

import { nameOf, useNames } from '../app/directory.js';
import { t } from '../app/i18n.js';
import { SelectField } from '../ui/field.js';
import { html } from '../ui/html.js';
import { useState } from '../vendor/hooks.mjs';

/** The collections that `user` may add to, one's own first. */
export function writable(user) {
  const own = `user:${user.user_id}`;
  const managed = Object.keys(user.collections).filter((name) => user.collections[name] === 'manage' && name !== own);
  return [own, ...managed.sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))];
}

/** Shown to those who have a choice. @param {{uploads: import('./uploads.js').Uploads, user: any}} properties */
export function CollectionChoice({ uploads, user }) {
  const [chosen, setChosen] = useState(uploads.collection);
  const all = writable(user);
  useNames(all.slice(1));
  if (all.length < 2) return null;
  const onChange = (event) => {
    uploads.collection = event.target.value;
    setChosen(event.target.value);
  };
  const [own, ...groups] = all;
  const choices = [
    { value: own, label: t('upload.mine') },
    ...groups.map((value) => ({ value, label: nameOf(value) ?? t('upload.group', { id: value.slice('group:'.length) }) })),
  ];
  return html`<${SelectField}
    label=${t('upload.collection')}
    name="collection"
    choices=${choices}
    value=${chosen}
    onChange=${onChange}
  />`;
}
