// Where files come in: drop zone, pickers, overall progress and one row per file.

import { announce } from '../app/announce.js';
import { carriesFiles, droppedFiles, withoutLitter } from './walk.js';
import { button, el, icon } from '../ui/dom.js';
import { formatBytes } from '../app/format.js';
import { setText } from '../app/i18n.js';
import { UploadRow } from './row.js';

const PROBLEMS = new Set(['refused', 'interrupted', 'failed']);
const REDRAW = 100; // milliseconds
const FEW = 5; // outcomes that are read out one by one; of more only the sum is
const SETTLED = new Set(['accepted', 'duplicate', 'refused', 'interrupted']);

/** Lives as long as the session, so that uploads go on while the reader looks at a result. */
export class UploadPanel {
  #queue;
  #rows = new Map();
  #list = el('ul', { class: 'uploads', i18nLabel: 'upload.list' });
  #overall = el('p', { class: 'upload-overall' });
  #bar = el('progress', { class: 'overall', max: 1, value: 0, i18nLabel: 'upload.overall' });
  #clear = button('upload.clear', 'close', () => this.#queue.clearFinished(), { class: 'button small' });
  #retryAll = button('upload.retryAll', 'retry', () => this.#queue.retryAll(), { class: 'button small' });
  #cancelAll = button('upload.cancelAll', 'close', () => this.#queue.cancelAll(), { class: 'button small' });
  #status = el('div', { class: 'upload-summary', hidden: true });
  #notice = el('p', { class: 'notice', hidden: true });
  #settledSinceIdle = false;
  #changed = new Set(); // items to show anew
  #timer = 0;
  #zone;

  constructor(queue) {
    this.#queue = queue;
    this.#status.append(
      this.#overall,
      this.#bar,
      el('div', { class: 'upload-actions' }, this.#retryAll, this.#cancelAll, this.#clear),
    );
    this.#zone = this.#dropZone();
    this.element = el(
      'section',
      { class: 'card', 'aria-labelledby': 'upload-heading' },
      el('h2', { id: 'upload-heading', i18n: 'upload.heading' }),
      this.#zone,
      this.#notice,
      this.#status,
      this.#list,
    );
    queue.addEventListener('add', ({ detail }) => this.#add(detail));
    queue.addEventListener('change', ({ detail }) => this.#change(detail));
    queue.addEventListener('remove', ({ detail }) => this.#remove(detail));
    queue.addEventListener('idle', () => this.#idle());
  }

  #dropZone() {
    const files = el('input', { type: 'file', multiple: true, hidden: true, id: 'choose-files' });
    const folder = el('input', { type: 'file', webkitdirectory: true, hidden: true, id: 'choose-folder' });
    const take = (input, chosen) => {
      this.#queue.add(chosen);
      input.value = ''; // so that the same file can be chosen again
    };
    files.addEventListener('change', () => take(files, [...files.files]));
    folder.addEventListener('change', () => take(folder, withoutLitter(folder.files)));
    return el(
      'div',
      { class: 'drop-zone' },
      icon('upload', 'large'),
      el('p', { class: 'drop-hint', i18n: 'upload.drop' }),
      el(
        'div',
        { class: 'button-row' },
        button('upload.chooseFiles', 'file', () => files.click(), { class: 'button primary' }),
        button('upload.chooseFolder', 'folder', () => folder.click()),
      ),
      el('p', { class: 'quiet', i18n: 'upload.hint' }),
      files,
      folder,
    );
  }

  /** Take drops anywhere on the page until `signal` fires. */
  acceptDrops(signal) {
    let depth = 0;
    const mark = (change) => {
      depth = Math.max(depth + change, 0);
      this.#zone.classList.toggle('over', depth > 0);
    };
    const listen = (type, work) =>
      window.addEventListener(type, (event) => carriesFiles(event) && work(event), { signal });
    listen('dragenter', () => mark(1));
    listen('dragleave', () => mark(-1));
    listen('dragover', (event) => event.preventDefault());
    listen('drop', async (event) => {
      event.preventDefault();
      mark(-depth);
      const { files, unreadable } = await droppedFiles(event.dataTransfer);
      this.#queue.add(files);
      this.#notice.hidden = unreadable === 0 && files.length > 0;
      if (this.#notice.hidden) return;
      setText(this.#notice, unreadable > 0 ? 'upload.unreadable' : 'upload.nothingDropped', {
        count: unreadable,
      });
      announce(this.#notice.textContent);
    });
  }

  #add(item) {
    const row = new UploadRow(item, this.#queue);
    this.#rows.set(item.id, row);
    this.#list.append(row.element);
    this.#soon();
  }

  #change(item) {
    this.#changed.add(item);
    if (SETTLED.has(item.phase)) this.#settledSinceIdle = true;
    this.#soon();
  }

  // Thousands of files move several times each: the page follows a few times a second.
  #soon() {
    this.#timer ||= setTimeout(() => this.#show(), REDRAW);
  }

  #show() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const few = this.#changed.size <= FEW;
    for (const item of this.#changed) {
      const row = this.#rows.get(item.id);
      row.update();
      if (PROBLEMS.has(item.phase) && this.#list.firstElementChild !== row.element) this.#raise(row);
      if (few && item.phase === 'refused') announce(`${item.file.name}: ${row.statusText}`);
    }
    this.#changed.clear();
    this.#summarise();
  }

  // Among hundreds of rows, those that need somebody come first.
  #raise(row) {
    const focused = row.element.contains(document.activeElement)
      ? /** @type {HTMLElement} */ (document.activeElement)
      : null;
    this.#list.prepend(row.element);
    focused?.focus();
  }

  #remove(item) {
    this.#rows.get(item.id).element.remove();
    this.#rows.delete(item.id);
    this.#changed.delete(item);
    this.#soon();
  }

  #idle() {
    if (!this.#settledSinceIdle) return;
    this.#settledSinceIdle = false;
    this.#show();
    announce(this.#overall.textContent);
  }

  #summarise() {
    const { total, active, problems, interrupted, sent, bytes } = this.#queue.summary();
    this.#status.hidden = total === 0;
    this.#bar.hidden = active === 0;
    this.#bar.value = bytes ? sent / bytes : 0;
    setText(this.#overall, active > 0 ? 'upload.progress' : 'upload.done', {
      done: total - active,
      total,
      problems,
      sent: () => formatBytes(sent),
      bytes: () => formatBytes(bytes),
    });
    this.#retryAll.hidden = interrupted < 2;
    this.#cancelAll.hidden = active < 2;
    this.#clear.hidden = total - active - problems <= 0;
  }
}
