// The file's header as a table: searchable, sequences to open, any number of elements.

import { currentLanguage, t } from '../app/i18n.js';
import { loadNames } from '../dicom/attribute-names.js';
import { formatTag, isPrivate, lines, matches } from '../dicom/json-model.js';
import { Button } from '../ui/button.js';
import { Copy } from '../ui/copy.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { linkSheet } from '../ui/sheet.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { readableText } from './words.js';

linkSheet(new URL('./header.css', import.meta.url));

const BATCH = 250; // rows built at a time
const LONG = 240; // characters of a value shown at once
const DELAY = 150; // milliseconds after the last letter
const NO_NAMES = { names: {}, local: {} };

/** The names of attributes in the language of the page. */
export function useAttributeNames() {
  const [names, setNames] = useState(NO_NAMES);
  const language = currentLanguage();
  useEffect(() => {
    let wanted = true;
    loadNames(language).then((loaded) => wanted && setNames(loaded));
    return () => {
      wanted = false;
    };
  }, [language]);
  return names;
}

/** @param {{dataset: Record<string, any>}} properties in the DICOM JSON Model */
export function Header({ dataset }) {
  const { names, local } = useAttributeNames();
  const [typed, setTyped] = useState('');
  const [needle, setNeedle] = useState('');
  const [open, setOpen] = useState(() => new Set());
  const [limit, setLimit] = useState(BATCH);
  useEffect(() => {
    const timer = setTimeout(() => {
      setNeedle(typed.trim().toLowerCase());
      setLimit(BATCH);
    }, DELAY);
    return () => clearTimeout(timer);
  }, [typed]);
  const toggle = (path) => {
    const next = new Set(open);
    if (!next.delete(path)) next.add(path);
    setOpen(next);
  };
  const words = { bulk: t('metadata.bulk'), local };
  const everything = [...lines(dataset, names, words, (path) => needle !== '' || open.has(path))];
  const all = needle === '' ? everything : everything.filter((line) => matches(line, needle)).map((line) => ({ ...line, found: true }));
  const count = all.filter((line) => line.item === undefined).length;
  return html`<section class="card" id="metadata" aria-labelledby="metadata-heading">
    <h2 id="metadata-heading">${t('metadata.heading')}</h2>
    <label class="field metadata-search">
      <span>${t('metadata.search')}</span>
      <input
        type="search"
        maxlength="200"
        placeholder=${t('metadata.searchHint')}
        value=${typed}
        onInput=${(event) => setTyped(event.currentTarget.value)}
      />
    </label>
    <p class="quiet" role="status">${count === 0 ? t('metadata.none') : t('metadata.count', { count })}</p>
    <div class="scroll">
      <table class="metadata" aria-labelledby="metadata-heading">
        <thead>
          <tr>${['tag', 'vr', 'name', 'value'].map((name) => html`<th scope="col" class=${`metadata-${name}`}>${t(`metadata.${name}`)}</th>`)}</tr>
        </thead>
        <tbody>
          ${all.slice(0, limit).map((line) =>
            line.item === undefined
              ? html`<${Element} key=${line.path} line=${line} open=${open.has(line.path)} onToggle=${toggle} />`
              : html`<tr key=${line.path} class="metadata-item">
                  <td colspan="4"><${Indent} line=${line} />${t('metadata.item', { number: line.item })}</td>
                </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${all.length > limit && html`<${Button} label=${t('metadata.more')} onClick=${() => setLimit(limit + BATCH)} />`}
  </section>`;
}

function Element({ line, open, onToggle }) {
  return html`<tr data-tag=${line.tag}>
    <td class="metadata-tag">
      <${Indent} line=${line} /><code>${formatTag(line.tag)}</code>
      ${line.found && line.depth > 0 && html`<span class="quiet metadata-path">${t('metadata.inside', { where: whereOf(line) })}</span>`}
    </td>
    <td class="metadata-vr">${line.vr}</td>
    <td class="metadata-name"><${AttributeName} line=${line} /></td>
    <td class=${`metadata-value${line.binary ? ' binary' : ''}`}>
      ${line.items === null ? html`<${Value} line=${line} />` : html`<${Items} line=${line} open=${open} onToggle=${onToggle} />`}
    </td>
  </tr>`;
}

/** In the reader's language where there is one, with the standard's name beside. */
export function AttributeName({ line }) {
  if (line.local) return html`${line.local} <span class="quiet metadata-standard" lang="en">${line.name}</span>`;
  if (line.name) return html`<span lang="en">${line.name}</span>`;
  return html`<span class="quiet">${t(isPrivate(line.tag) ? 'metadata.private' : 'metadata.unnamed')}</span>`;
}

function Value({ line: { vr, text, name, local, tag } }) {
  const [whole, setWhole] = useState(false);
  if (text === '') return null;
  const shown = whole || text.length <= LONG ? text : `${text.slice(0, LONG)}…`;
  const read = readableText(vr, text);
  return html`<div class="metadata-cell">
    <span>
      ${read && html`<bdi class="metadata-read">${read}</bdi> `}
      <bdi class=${read ? 'quiet' : ''}>${shown}</bdi>
      ${shown !== text && html` <button type="button" class="link-button" onClick=${() => setWhole(true)}>${t('metadata.whole')}</button>`}
    </span>
    <${Copy} quiet text=${text} label=${t('copy.value', { name: local || name || formatTag(tag) })} />
  </div>`;
}

function Items({ line, open, onToggle }) {
  const text = t('metadata.items', { count: line.items.length });
  if (line.items.length === 0 || line.found) return html`<span class="quiet">${text}</span>`;
  return html`<button type="button" class="toggle" aria-expanded=${String(open)} onClick=${() => onToggle(line.path)}>
    <${Icon} name="chevron" /><span>${text}</span>
    <span class="visually-hidden"> ${line.local || line.name || formatTag(line.tag)}</span>
  </button>`;
}

function Indent({ line }) {
  return html`<span class="indent" aria-hidden="true" style=${{ width: `${(line.found ? 0 : line.depth) * 0.875}rem` }}></span>`;
}

// Where a found element lies: "(0008,1140) 1".
function whereOf(line) {
  const steps = line.path.split('/').slice(1, -1);
  return steps.map((step, index) => (index % 2 === 0 ? formatTag(step) : Number(step) + 1)).join(' ');
}
