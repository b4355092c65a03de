// One of many, found by typing: the server is asked, arrows walk, Enter takes, Escape closes.

import { foreseen } from '../app/api.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { Icon } from './icon.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./combobox.css', import.meta.url));

const PAUSE = 200; // milliseconds without a key before the server is asked
const CLOSED = { options: null, error: null };

/** @typedef {{key: string, label: string, detail?: string, icon?: string}} Option */

/**
 * `search(text, signal)` gives what matches. What is typed after a choice takes it back: `onChoose(null)`.
 * @param {{label: string, name: string, chosen: Option | null, hint?: string,
 *   search: (text: string, signal: AbortSignal) => Promise<Option[]>, onChoose: (option: Option | null) => void}} properties
 */
export function Combobox({ label, name, chosen, hint = '', search, onChoose }) {
  const [text, setText] = useState(chosen?.label ?? '');
  const [found, setFound] = useState(/** @type {{options: Option[] | null, error: any}} */ (CLOSED));
  const [active, setActive] = useState(0);
  const list = useRef(/** @type {HTMLUListElement} */ (null));
  const typing = useRef(false); // a choice is taken back by what is typed, which stays
  const options = found.options ?? [];
  const open = found.options !== null || found.error !== null;

  useLayoutEffect(() => {
    if (chosen !== null || !typing.current) setText(chosen?.label ?? '');
    typing.current = false;
  }, [chosen]);
  useEffect(() => {
    const sought = text.trim();
    if (chosen !== null || sought === '') return setFound(CLOSED);
    const leaving = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const matches = await search(sought, leaving.signal);
        setFound({ options: matches, error: null });
        setActive(0);
      } catch (error) {
        if (error.name === 'AbortError') return;
        if (!foreseen(error)) throw error;
        setFound({ options: null, error });
      }
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      leaving.abort();
    };
  }, [text, chosen]);
  useEffect(() => list.current?.children[active]?.scrollIntoView({ block: 'nearest' }), [active, found]);

  const take = (option) => {
    setFound(CLOSED);
    onChoose(option);
  };
  const onKey = (event) => {
    if (!open) return;
    if (event.key === 'ArrowDown') setActive(Math.min(active + 1, options.length - 1));
    else if (event.key === 'ArrowUp') setActive(Math.max(active - 1, 0));
    else if (event.key === 'Enter' && options[active]) take(options[active]);
    else if (event.key === 'Escape') setFound(CLOSED);
    else return;
    event.preventDefault(); // of Escape too: a dialog around it stays open
  };
  const onInput = (event) => {
    setText(event.currentTarget.value);
    if (chosen === null) return;
    typing.current = true;
    onChoose(null);
  };
  const shown = open && options.length > 0;
  const said = found.error ? errorText(found.error) : open && options.length === 0 ? t('combobox.nothing') : '';
  return html`<div class="combobox field">
    <label class="field">
      <span>${label}</span>
      <input
        name=${name}
        role="combobox"
        autocomplete="off"
        autocapitalize="none"
        spellcheck="false"
        maxlength="150"
        value=${text}
        aria-autocomplete="list"
        aria-expanded=${String(shown)}
        aria-controls=${shown ? `${name}-options` : undefined}
        aria-activedescendant=${shown ? `${name}-option-${active}` : undefined}
        aria-describedby=${`${name}-said`}
        onInput=${onInput}
        onKeyDown=${onKey}
        onBlur=${() => setFound(CLOSED)}
      />
    </label>
    ${shown &&
    html`<ul class="combobox-options" role="listbox" id=${`${name}-options`} aria-label=${label} ref=${list}>
      ${options.map(
        (option, index) =>
          html`<li
            key=${option.key}
            id=${`${name}-option-${index}`}
            role="option"
            aria-selected=${String(index === active)}
            onPointerDown=${(event) => event.preventDefault()}
            onClick=${() => take(option)}
          >
            ${option.icon && html`<${Icon} name=${option.icon} />`}<bdi>${option.label}</bdi>
            ${option.detail && html`<span class="quiet"><bdi>${option.detail}</bdi></span>`}
          </li>`,
      )}
    </ul>`}
    <span id=${`${name}-said`} class="quiet" role="status">${said || hint}</span>
  </div>`;
}
