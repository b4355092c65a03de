// How many files wait, are done, or failed; each number is also a filter of the list.

import { request } from '../app/api.js';
import { el } from '../ui/dom.js';
import { formatNumber } from '../app/format.js';
import { setAttributeText } from '../app/i18n.js';

const COUNTERS = [
  ['received', 'pending'],
  ['processed', 'good'],
  ['failed', 'bad'],
  ['total', 'quiet'],
];

/** `onChoose(state)` is called with '' for the total. */
export class Counters {
  #numbers = {};
  #buttons = {};
  #summary = null;

  constructor(onChoose) {
    this.element = el(
      'div',
      { class: 'counters', role: 'group', i18nLabel: 'counters.heading' },
      COUNTERS.map(([name, tone]) => this.#counter(name, tone, () => onChoose(name === 'total' ? '' : name))),
    );
  }

  #counter(name, tone, onClick) {
    this.#numbers[name] = el('span', { class: 'counter-number' }, '—');
    this.#buttons[name] = el(
      'button',
      { type: 'button', class: `counter tone-${tone}`, data: { counter: name }, on: { click: onClick } },
      this.#numbers[name],
      ' ',
      el('span', { class: 'counter-name', i18n: `counters.${name}` }),
    );
    return this.#buttons[name];
  }

  /** Ask the server for the numbers. */
  async load(signal) {
    this.#summary = await request('/api/results/summary', { signal });
    this.render();
  }

  /** Show the numbers as the language writes them. */
  render() {
    if (this.#summary === null) return;
    for (const [name] of COUNTERS) {
      const value = this.#summary[name] ?? 0;
      this.#numbers[name].textContent = formatNumber(value);
      setAttributeText(this.#buttons[name], 'aria-label', [`counters.${name}Named`, { count: value }]);
    }
  }

  /** Mark the counter that the list is filtered by. */
  mark(state) {
    for (const [name] of COUNTERS)
      this.#buttons[name].setAttribute('aria-pressed', String(name === (state || 'total')));
  }
}
