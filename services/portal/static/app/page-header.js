// The bar on top: language switch, who is signed in, sign out.

import { announce } from './announce.js';
import { button, el, fill, icon, isolated } from '../ui/dom.js';
import { currentLanguage, LANGUAGES, t, useLanguage } from './i18n.js';
import { errorText } from './problems.js';

/** Fills the `<header>` of the page. */
export class PageHeader {
  #account = document.getElementById('account');
  #onSignOut;

  constructor({ onSignOut }) {
    this.#onSignOut = onSignOut;
    for (const code of LANGUAGES) {
      const choice = document.getElementById(`language-${code}`);
      choice.addEventListener('click', async () => {
        await useLanguage(code, { remember: true });
        announce(t('language.chosen'));
      });
    }
    document.addEventListener('languagechange', () => this.#markLanguage());
  }

  #markLanguage() {
    for (const code of LANGUAGES) {
      document
        .getElementById(`language-${code}`)
        .setAttribute('aria-pressed', String(code === currentLanguage()));
    }
  }

  /** Show the reader's name, or nothing for null. */
  showUser(user) {
    if (user === null) {
      fill(this.#account);
      return;
    }
    const name = [user.first_name, user.last_name].filter(Boolean).join(' ') || user.username;
    fill(
      this.#account,
      el(
        'span',
        { class: 'account-name' },
        icon('person'),
        el('span', { class: 'visually-hidden', i18n: 'account.signedInAs' }),
        isolated(name),
        user.staff && el('span', { class: 'badge tone-quiet', i18n: 'account.staff' }),
      ),
      button('account.signOut', 'leave', this.#onSignOut, { class: 'button small' }),
    );
  }

  /** Say that signing out did not work. */
  showProblem(error) {
    announce(errorText(error));
  }
}
