// Where uploads go, language, looks, keys. Each is in effect at once.

import { foreseen, foreseenOrStopped, request, withQuery } from '../app/api.js';
import { currentLanguage, LANGUAGES, t, useLanguage } from '../app/i18n.js';
import { setShortcuts, shortcutsOn } from '../app/keys.js';
import { errorText } from '../app/problems.js';
import { changeProfile } from '../app/session.js';
import { currentTheme, THEMES, useTheme } from '../app/theme.js';
import { toast } from '../app/toasts.js';
import { html } from '../ui/html.js';
import { Switch } from '../ui/switch.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { Section } from './section.js';

const NAMES = { es: 'Español', en: 'English' };

async function save(change) {
  try {
    await changeProfile(change);
  } catch (error) {
    if (!foreseen(error)) throw error;
    toast(errorText(error), 'bad');
  }
}

export function Preferences({ user }) {
  const [theme, setTheme] = useState(currentTheme);
  const [keys, setKeys] = useState(shortcutsOn);
  const speak = async (code) => {
    await useLanguage(code, { remember: true });
    await save({ language: code });
  };
  const look = (chosen) => {
    useTheme(chosen);
    setTheme(chosen);
  };
  const turn = (on) => {
    setShortcuts(on);
    setKeys(on);
  };
  return html`<${Section} id="preferences" heading=${t('preferences.heading')}>
    <div class="account-form">
      <${DefaultCollection} user=${user} />
      <${Choice}
        label=${t('account.language')}
        hint=${t('preferences.languageHint')}
        name="language"
        options=${LANGUAGES.map((code) => [code, NAMES[code]])}
        value=${currentLanguage()}
        onChange=${speak}
      />
      <${Choice}
        label=${t('account.theme')}
        name="theme"
        options=${THEMES.map((one) => [one, t(`theme.${one}`)])}
        value=${theme}
        onChange=${look}
      />
      <${Switch} name="shortcuts" label=${t('keys.single')} hint=${t('preferences.keysHint')} checked=${keys} onChange=${turn} />
    </div>
  <//>`;
}

function Choice({ label, name, options, value, onChange, hint = '' }) {
  return html`<div class="field">
    <label class="field">
      <span>${label}</span>
      <select
        name=${name}
        aria-describedby=${hint ? `${name}-hint` : undefined}
        onChange=${(event) => onChange(event.currentTarget.value)}
      >
        ${options.map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
      </select>
    </label>
    ${hint && html`<span class="quiet" id=${`${name}-hint`}>${hint}</span>`}
  </div>`;
}

// One's own, or of a group that lets its members manage it; nothing where there is no choice.
function DefaultCollection({ user }) {
  const groups = Object.entries(user.collections)
    .filter(([name, mode]) => name.startsWith('group:') && mode === 'manage')
    .map(([name]) => name.split(':')[1])
    .join(',');
  const [names, setNames] = useState(/** @type {Record<string, string>} */ ({}));
  useEffect(() => {
    if (groups === '') return undefined;
    const leaving = new AbortController();
    request(withQuery('/api/auth/directory', { groups }), { signal: leaving.signal }).then(
      ({ entries }) => setNames(Object.fromEntries(entries.map((entry) => [`group:${entry.id}`, entry.name]))),
      (error) => {
        // Without names, their numbers stand there.
        if (!foreseenOrStopped(error)) throw error;
      },
    );
    return () => leaving.abort();
  }, [groups]);
  if (groups === '') return null;
  const own = `user:${user.user_id}`;
  const options = [[own, t('preferences.own')], ...groups.split(',').map((id) => [`group:${id}`, names[`group:${id}`] ?? id])];
  return html`<${Choice}
    label=${t('preferences.collection')}
    hint=${t('preferences.collectionHint')}
    name="collection"
    options=${options}
    value=${user.default_collection}
    onChange=${(chosen) => save({ default_collection: chosen })}
  />`;
}
