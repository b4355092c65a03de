// Choosing some of many: two lists side by side, each searched on its own. Enter, Space or a click takes one over.

import { announce } from '../app/announce.js';
import { t } from '../app/i18n.js';
import { useId, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { Button } from './button.js';
import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./picker.css', import.meta.url));

/** @typedef {{value: string, label: string, hint?: string}} Choice */

const folded = (text) =>
  text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase();

/** Those that hold all words of `text`, in any order. */
export function matching(choices, text) {
  const words = folded(text).split(/\s+/).filter(Boolean);
  return choices.filter(({ label, hint = '' }) => words.every((word) => folded(`${label} ${hint}`).includes(word)));
}

/**
 * `value`: the chosen values. What is chosen and no choice keeps its place, under its value.
 * @param {{label: string, choices: Choice[], value: string[], onChange: (value: string[]) => void, error?: any,
 *   hint?: any, disabled?: boolean}} properties
 */
export function Picker({ label, choices, value, onChange, error = '', hint = '', disabled = false }) {
  const known = new Set(choices.map((choice) => choice.value));
  const all = [...choices, ...value.filter((one) => !known.has(one)).map((one) => ({ value: one, label: one }))];
  const chosen = all.filter((choice) => value.includes(choice.value));
  const left = all.filter((choice) => !value.includes(choice.value));
  const add = (some) => {
    onChange([...value, ...some.map((choice) => choice.value)]);
    announce(t('picker.added', { count: some.length }));
  };
  const remove = (some) => {
    const gone = new Set(some.map((choice) => choice.value));
    onChange(value.filter((one) => !gone.has(one)));
    announce(t('picker.removed', { count: some.length }));
  };
  return html`<fieldset class="picker" disabled=${disabled}>
    <legend>${label}</legend>
    ${(error || hint) && html`<p class=${error ? 'field-error' : 'quiet'}>${error || hint}</p>`}
    <div class="picker-lists">
      <${Side} heading=${t('picker.left')} of=${label} choices=${left} act=${t('picker.addAll')} disabled=${disabled} onTake=${add} />
      <${Side} heading=${t('picker.chosen')} of=${label} choices=${chosen} act=${t('picker.removeAll')} disabled=${disabled} onTake=${remove} />
    </div>
  </fieldset>`;
}

function Side({ heading, of, choices, act, disabled, onTake }) {
  const id = useId();
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const list = useRef(/** @type {HTMLUListElement} */ (null));
  const focusing = useRef(false); // the row that comes in place of one that was taken over gets the focus
  const shown = matching(choices, text);
  const at = Math.min(active, Math.max(shown.length - 1, 0));
  useLayoutEffect(() => {
    if (!focusing.current) return;
    focusing.current = false;
    const row = /** @type {HTMLElement | null} */ (list.current.querySelector('[tabindex="0"]'));
    (row ?? list.current).focus();
  });
  const take = (choice) => {
    focusing.current = true;
    onTake([choice]);
  };
  const onKey = (event) => {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (to !== undefined) {
      focusing.current = true;
      setActive(Math.min(Math.max(to, 0), shown.length - 1));
    } else if ((event.key === 'Enter' || event.key === ' ') && shown.length > 0 && !disabled) take(shown[at]);
    else return;
    event.preventDefault();
  };
  const onSearchKey = (event) => {
    if (event.key === 'Enter') event.preventDefault(); // it would send the form
    if (event.key !== 'ArrowDown' || shown.length === 0) return;
    event.preventDefault();
    /** @type {HTMLElement} */ (list.current.querySelector('[tabindex="0"]')).focus();
  };
  return html`<div class="picker-side">
    <div class="picker-head">
      <span id=${id}>${heading} <span class="quiet">${t('picker.count', { count: choices.length })}</span></span>
      <${Button} label=${act} kind="plain" small disabled=${disabled || shown.length === 0} onClick=${() => onTake(shown)} />
    </div>
    <input
      type="search"
      class="picker-search"
      aria-label=${t('picker.search', { list: `${of}, ${heading}` })}
      placeholder=${t('picker.hint')}
      value=${text}
      onInput=${(event) => setText(event.currentTarget.value)}
      onKeyDown=${onSearchKey}
    />
    <ul class="picker-list" role="listbox" ref=${list} aria-label=${`${of}, ${heading}`} tabindex=${shown.length === 0 ? 0 : -1} onKeyDown=${onKey}>
      ${shown.map(
        (choice, index) =>
          html`<li
            key=${choice.value}
            role="option"
            aria-selected="false"
            aria-disabled=${disabled || undefined}
            data-value=${choice.value}
            tabindex=${index === at ? 0 : -1}
            onFocus=${() => setActive(index)}
            onClick=${() => !disabled && take(choice)}
          >
            <bdi>${choice.label}</bdi>${choice.hint && html` <span class="quiet"><bdi>${choice.hint}</bdi></span>`}
          </li>`,
      )}
    </ul>
  </div>`;
}
