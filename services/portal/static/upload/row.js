// One upload: name, size, progress, what became of it, and what can be done.

import { resultAddress } from '../app/addresses.js';
import { button, el, fill, icon, isolated } from '../ui/dom.js';
import { formatBytes, formatPercent } from '../app/format.js';
import { setText } from '../app/i18n.js';
import { errorText, problemDetail } from '../app/problems.js';

const TONES = {
  waiting: ['clock', 'quiet'],
  sending: ['upload', 'quiet'],
  checking: ['clock', 'quiet'],
  accepted: ['clock', 'pending'],
  processed: ['check', 'good'],
  duplicate: ['info', 'pending'],
  failed: ['alert', 'bad'],
  refused: ['alert', 'bad'],
  interrupted: ['alert', 'bad'],
  cancelled: ['close', 'quiet'],
};

/** The `<li>` of an upload; call `update()` after each change of `item`. */
export class UploadRow {
  #item;
  #queue;
  #shown = null;
  #progress = el('progress', { max: 1, value: 0 });
  #status = el('span');
  #mark = el('span', { class: 'upload-status' });
  #detail = el('p', { class: 'upload-detail', lang: 'en' });
  #actions = el('div', { class: 'upload-actions' });

  constructor(item, queue) {
    this.#item = item;
    this.#queue = queue;
    this.#progress.setAttribute('aria-label', item.file.name);
    this.element = el(
      'li',
      { class: 'upload' },
      el(
        'div',
        { class: 'upload-head' },
        isolated(item.file.name, { class: 'upload-name', title: item.file.name }),
        el('span', {
          class: 'upload-size',
          i18n: ['upload.size', { size: () => formatBytes(item.file.size) }],
        }),
      ),
      el('div', { class: 'upload-body' }, this.#progress, this.#mark, this.#detail),
      this.#actions,
    );
    this.update();
  }

  /** What the row says of the item's phase. */
  get statusText() {
    return this.#status.textContent;
  }

  /** Show the item as it is now. */
  update() {
    const { phase, sent, file, problem } = this.#item;
    if (phase === 'sending') this.#progress.value = file.size ? sent / file.size : 0;
    setText(this.#status, ...this.#statusText());
    if (phase === this.#shown) return; // progress only
    this.#shown = phase;
    const [iconName, tone] = TONES[phase];
    this.element.dataset.phase = phase;
    this.#mark.className = `upload-status tone-${tone}`;
    fill(this.#mark, icon(iconName), this.#status);
    this.#progress.hidden = !['waiting', 'sending', 'checking'].includes(phase);
    if (phase === 'checking') this.#progress.removeAttribute('value'); // the server works; nobody knows how long
    if (phase === 'waiting') this.#progress.value = 0;
    setText(this.#detail, 'format.text', { text: () => (phase === 'refused' ? problemDetail(problem) : '') });
    this.#showActions(phase);
  }

  #statusText() {
    const { phase, sent, file, problem } = this.#item;
    if (phase === 'sending')
      return ['upload.sending', { percent: () => formatPercent(file.size ? sent / file.size : 0) }];
    if (phase === 'refused') return ['upload.refused', { reason: () => errorText(problem) }];
    if (phase === 'interrupted')
      return ['upload.interrupted', { reason: () => (problem ? errorText(problem) : '') }];
    return [`upload.${phase}`];
  }

  #showActions(phase) {
    const name = this.#item.file.name;
    const hadFocus = this.#actions.contains(document.activeElement);
    const action = (key, iconName, work) =>
      button(key, iconName, work, { class: 'button small', i18nLabel: [`${key}Named`, { name }] });
    fill(
      this.#actions,
      ['waiting', 'sending', 'checking'].includes(phase) &&
        action('upload.cancel', 'close', () => this.#queue.cancel(this.#item)),
      ['interrupted', 'cancelled'].includes(phase) &&
        action('upload.retry', 'retry', () => this.#queue.retry(this.#item)),
      ['accepted', 'processed', 'failed', 'duplicate'].includes(phase) &&
        el(
          'a',
          {
            class: 'button small',
            href: resultAddress(this.#item.entry.id),
            'data-route': true,
            i18nLabel: ['upload.openNamed', { name }],
          },
          el('span', { i18n: 'upload.open' }),
        ),
    );
    if (hadFocus) this.#actions.firstElementChild?.focus(); // the button that was used is gone
  }
}
