// The file's header as a table: searchable, sequences to open, any number of elements.

import { formatTag, isPrivate, lines, matches } from '../dicom/json-model.js';
import { button, el, fill, icon, isolated } from '../ui/dom.js';
import { setText, t } from '../app/i18n.js';

const BATCH = 250; // rows built at a time
const LONG = 240; // characters of a value shown at once

/** `element` is the card; it keeps its search and open sequences over a switch of language. */
export class MetadataTable {
  #dataset;
  #names;
  #open = new Set();
  #limit = BATCH;
  #timer = 0;
  #search = el('input', { type: 'search', maxlength: 200, i18nPlaceholder: 'metadata.searchHint' });
  #count = el('p', { class: 'quiet', role: 'status' });
  #body = el('tbody');
  #more = button('metadata.more', null, () => this.#showMore());

  constructor(dataset, names) {
    this.#dataset = dataset;
    this.#names = names;
    this.#search.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#restart(), 150);
    });
    this.element = this.#build();
    this.render();
  }

  #build() {
    const columns = ['tag', 'vr', 'name', 'value'];
    return el(
      'section',
      { class: 'card', id: 'metadata', 'aria-labelledby': 'metadata-heading' },
      el('h2', { id: 'metadata-heading', i18n: 'metadata.heading' }),
      el('label', { class: 'field metadata-search' }, el('span', { i18n: 'metadata.search' }), this.#search),
      this.#count,
      el(
        'div',
        { class: 'scroll' },
        el(
          'table',
          { class: 'metadata', 'aria-labelledby': 'metadata-heading' },
          el(
            'thead',
            {},
            el(
              'tr',
              {},
              columns.map((name) =>
                el('th', { scope: 'col', class: `metadata-${name}`, i18n: `metadata.${name}` }),
              ),
            ),
          ),
          this.#body,
        ),
      ),
      this.#more,
    );
  }

  #restart() {
    this.#limit = BATCH;
    this.render();
  }

  #showMore() {
    const before = this.#body.children.length;
    this.#limit += BATCH;
    this.render();
    this.#body.children[before]?.scrollIntoView({ block: 'nearest' });
  }

  #lines() {
    const words = { bulk: t('metadata.bulk') };
    const needle = this.#search.value.trim().toLowerCase();
    if (needle === '')
      return [...lines(this.#dataset, this.#names, words, (path) => this.#open.has(path))];
    const everything = lines(this.#dataset, this.#names, words, () => true);
    return [...everything].filter((line) => matches(line, needle)).map((line) => ({ ...line, found: true }));
  }

  /** Build the rows (again, after a switch of language). */
  render() {
    const all = this.#lines();
    const shown = all.slice(0, this.#limit);
    fill(
      this.#body,
      shown.map((line) => (line.item === undefined ? this.#elementRow(line) : itemRow(line))),
    );
    this.#more.hidden = shown.length === all.length;
    const elements = all.filter((line) => line.item === undefined).length;
    setText(this.#count, elements === 0 ? 'metadata.none' : 'metadata.count', { count: elements });
  }

  #elementRow(line) {
    return el(
      'tr',
      { data: { tag: line.tag } },
      el(
        'td',
        { class: 'metadata-tag' },
        indent(line),
        el('code', {}, formatTag(line.tag)),
        line.found && line.depth > 0 && pathOf(line),
      ),
      el('td', { class: 'metadata-vr' }, line.vr),
      el('td', { class: 'metadata-name' }, nameOf(line)),
      el(
        'td',
        { class: `metadata-value${line.binary ? ' binary' : ''}` },
        line.items === null ? valueOf(line.text) : this.#sequence(line),
      ),
    );
  }

  #sequence(line) {
    const count = line.items.length;
    if (count === 0 || line.found) return el('span', { class: 'quiet', i18n: ['metadata.items', { count }] });
    const open = this.#open.has(line.path);
    const toggle = el(
      'button',
      { type: 'button', class: 'toggle', 'aria-expanded': String(open), data: { path: line.path } },
      icon('chevron'),
      el('span', { i18n: ['metadata.items', { count }] }),
      el('span', { class: 'visually-hidden' }, ` ${line.name || formatTag(line.tag)}`),
    );
    toggle.addEventListener('click', () => {
      if (!this.#open.delete(line.path)) this.#open.add(line.path);
      this.render();
      this.#body.querySelector(`[data-path="${CSS.escape(line.path)}"]`)?.focus();
    });
    return toggle;
  }
}

function indent(line) {
  const mark = el('span', { class: 'indent', 'aria-hidden': 'true' });
  mark.style.setProperty('--depth', line.found ? 0 : line.depth);
  return mark;
}

function itemRow(line) {
  return el(
    'tr',
    { class: 'metadata-item' },
    el('td', { colspan: 4 }, indent(line), el('span', { i18n: ['metadata.item', { number: line.item }] })),
  );
}

// Where a found element lies: "in (0008,1140) 1".
function pathOf(line) {
  const steps = line.path.split('/').slice(1, -1);
  const where = steps.map((step, index) => (index % 2 === 0 ? formatTag(step) : Number(step) + 1)).join(' ');
  return el('span', { class: 'quiet metadata-path', i18n: ['metadata.inside', { where }] });
}

function nameOf(line) {
  if (line.name) return line.name;
  return el('span', { class: 'quiet', i18n: isPrivate(line.tag) ? 'metadata.private' : 'metadata.unnamed' });
}

function valueOf(text) {
  if (text.length <= LONG) return isolated(text);
  const value = isolated(`${text.slice(0, LONG)}…`);
  const whole = button(
    'metadata.whole',
    null,
    () => {
      value.textContent = text;
      whole.remove();
    },
    { class: 'link-button' },
  );
  return [value, ' ', whole];
}
