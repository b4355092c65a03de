// Language, theme, keys and the way out. Without an account, the language alone, as two buttons.

import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Menu } from '../ui/menu.js';
import { pageAddress } from './addresses.js';
import { announce } from './announce.js';
import { currentLanguage, LANGUAGES, t, useLanguage } from './i18n.js';
import { setShortcuts, shortcutsOn } from './keys.js';
import { go } from './router.js';
import { currentTheme, THEMES, useTheme } from './theme.js';

const NAMES = { es: 'Español', en: 'English' };

async function speak(code) {
  await useLanguage(code, { remember: true });
  announce(t('language.chosen'));
}

/** For pages without an account. */
export function LanguageSwitch() {
  return html`<div class="language" role="group" aria-label="Idioma / Language">
    ${LANGUAGES.map(
      (code) =>
        html`<button
          type="button"
          lang=${code}
          aria-pressed=${String(code === currentLanguage())}
          onClick=${() => speak(code)}
        >
          <abbr title=${NAMES[code]}>${code.toUpperCase()}</abbr>
        </button>`,
    )}
  </div>`;
}

/** @param {{user: any, onHelp: () => void, onLeave: () => void}} properties */
export function AccountMenu({ user, onHelp, onLeave }) {
  const name = [user.first_name, user.last_name].filter(Boolean).join(' ') || user.username;
  const items = [
    ...LANGUAGES.map((code) => ({
      label: NAMES[code],
      group: t('account.language'),
      checked: code === currentLanguage(),
      onSelect: () => speak(code),
    })),
    ...THEMES.map((theme) => ({
      label: t(`theme.${theme}`),
      group: t('account.theme'),
      checked: theme === currentTheme(),
      onSelect: () => useTheme(theme),
    })),
    {
      label: t('keys.single'),
      group: t('keys.heading'),
      kind: /** @type {const} */ ('check'),
      checked: shortcutsOn(),
      onSelect: () => setShortcuts(!shortcutsOn()),
    },
    { label: t('keys.show'), group: t('keys.heading'), icon: 'keyboard', onSelect: onHelp },
    { label: t('nav.help'), group: t('keys.heading'), icon: 'help', onSelect: () => go(pageAddress('/help')) },
    {
      label: t('account.open'),
      group: '',
      icon: 'person',
      onSelect: () => go(pageAddress('/account')),
    },
    { label: t('account.signOut'), group: '', icon: 'leave', onSelect: onLeave },
  ];
  const button = html`
    <${Icon} name="person" />
    <span class="visually-hidden">${t('account.menu')}</span>
    <bdi class="account-name">${name}</bdi>
    ${user.staff && html`<span class="badge tone-quiet">${t('account.staff')}</span>`}
  `;
  return html`<${Menu} class="account" label=${t('account.menu')} button=${button} items=${items} />`;
}
