// A word that is typed before something ends for good.

import { t } from '../app/i18n.js';
import { useId, useState } from '../vendor/hooks.mjs';
import { html } from './html.js';

/** Whether `text` is the word, whatever its case and the blanks around it. */
export function isTyped(text, word) {
  return text.trim().toLocaleLowerCase() === word.toLocaleLowerCase();
}

/** @param {{onMatch: (matches: boolean) => void}} properties */
export function TypedWord({ onMatch }) {
  const id = useId();
  const [text, setText] = useState('');
  const word = t('typedWord.word');
  const change = (event) => {
    setText(event.currentTarget.value);
    onMatch(isTyped(event.currentTarget.value, word));
  };
  return html`<div class="field">
    <label for=${id}>${t('typedWord.label', { word })}</label>
    <input id=${id} name="typed" value=${text} autocomplete="off" autocapitalize="off" spellcheck=${false} required onInput=${change} />
  </div>`;
}
