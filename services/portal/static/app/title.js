// The title of the tab, in the language of the page.

import { t } from './i18n.js';

let name = null;

function write() {
  const text = name?.();
  document.title = text ? `${text} · ${t('app.name')}` : t('app.name');
}

/** Title the page by what `text()` gives, now and after each change of language. */
export function setTitle(text) {
  name = text;
  write();
}

/** A page whose name became known after it was shown. */
export const retitle = write;

document.addEventListener('languagechange', write);
