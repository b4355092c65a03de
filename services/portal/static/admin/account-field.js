// An account, found by its name; what is sent is its number.

import { request, withQuery } from '../app/api.js';
import { nameOf, useNames } from '../app/directory.js';
import { Combobox } from '../ui/combobox.js';
import { html } from '../ui/html.js';
import { useMemo, useState } from '../vendor/hooks.mjs';

const OFFERED = 12;

const optionOf = ({ id, username, first_name: first, last_name: last, kind }) => ({
  key: String(id),
  label: username,
  detail: [first, last].filter(Boolean).join(' '),
  icon: kind === 'person' ? 'person' : 'program',
});

async function accounts(text, signal) {
  const { users } = await request(withQuery('/api/auth/users', { q: text, limit: OFFERED }), { signal });
  return users.map(optionOf);
}

/** @param {{common: any, value: any, onChange: (value: string) => void}} properties */
export function AccountField({ common, value, onChange }) {
  const [found, setFound] = useState(/** @type {import('../ui/combobox.js').Option | null} */ (null));
  const key = value === '' ? '' : String(value);
  useNames(key === '' ? [] : [`user:${key}`]);
  const label = key === '' ? '' : (nameOf(`user:${key}`) ?? key);
  const known = useMemo(() => (key === '' ? null : { key, label }), [key, label]);
  const choose = (option) => {
    setFound(option);
    onChange(option?.key ?? '');
  };
  return html`<div class="field">
    <${Combobox}
      name=${common.name}
      label=${common.label}
      hint=${common.hint}
      chosen=${found?.key === key ? found : known}
      search=${accounts}
      onChoose=${choose}
    />
    ${common.error && html`<p class="field-error" role="alert">${common.error}</p>`}
  </div>`;
}
