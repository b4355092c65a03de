// What the list shows: the filter form, in step with the address bar.

import { withQuery } from '../app/api.js';
import { button, el, icon } from '../ui/dom.js';
import { setText } from '../app/i18n.js';
import { rename } from '../app/router.js';

const NARROW = '(max-width: 40rem)'; // as in filters.css: the form folds away
const TEXT_DELAY = 350;
const FIELDS = ['q', 'state', 'modality', 'device', 'from', 'to'];
const STATES = ['received', 'processed', 'failed', 'superseded'];
const MODALITIES = [
  'CR',
  'CT',
  'DX',
  'ES',
  'IO',
  'IVUS',
  'MG',
  'MR',
  'NM',
  'OP',
  'OT',
  'PT',
  'PX',
  'RF',
  'SC',
  'SM',
  'SR',
  'US',
  'XA',
];

/** Events: `change` whenever the filters do; `values` are those in force, by field. */
export class ResultsFilters extends EventTarget {
  #inputs = {};
  #timer = 0;
  #form;
  #inForce = el('span', { class: 'filters-in-force', hidden: true });
  #reset = button('filter.reset', 'close', () => this.set({}));

  /** `query`: the address bar's search string. After `signal`, what is still being typed counts no more. */
  constructor(query, signal) {
    super();
    signal.addEventListener('abort', () => clearTimeout(this.#timer));
    this.#build();
    const given = new URLSearchParams(query);
    for (const name of FIELDS) this.#inputs[name].value = given.get(name) ?? '';
    this.#apply();
    this.#fold(signal);
  }

  #build() {
    this.#inputs = {
      q: el('input', { type: 'search', i18nPlaceholder: 'filter.qHint', maxlength: 200 }),
      state: el(
        'select',
        {},
        el('option', { value: '', i18n: 'filter.anyState' }),
        STATES.map((state) => el('option', { value: state, i18n: `state.${state}` })),
      ),
      modality: el('input', {
        type: 'text',
        list: 'modalities',
        maxlength: 16,
        size: 8,
        autocapitalize: 'characters',
      }),
      device: el('input', { type: 'text', maxlength: 128 }),
      from: el('input', { type: 'date' }),
      to: el('input', { type: 'date' }),
    };
    this.#form = el(
      'form',
      {
        class: 'filters',
        role: 'search',
        i18nLabel: 'filter.heading',
        on: { submit: (event) => this.#submit(event) },
      },
      FIELDS.map((name) =>
        el(
          'label',
          { class: `field field-${name}` },
          el('span', { i18n: `filter.${name}` }),
          this.#inputs[name],
        ),
      ),
      el(
        'datalist',
        { id: 'modalities' },
        MODALITIES.map((value) => el('option', { value })),
      ),
      this.#reset,
      el(
        'button',
        { type: 'submit', class: 'visually-hidden' },
        icon('search'),
        el('span', { i18n: 'filter.apply' }),
      ),
    );
    this.#form.addEventListener('input', (event) =>
      this.#soon(event.target.matches('select') ? 0 : TEXT_DELAY),
    );
    this.element = el(
      'details',
      { class: 'filters-box' },
      el('summary', {}, el('span', { i18n: 'filter.heading' }), ' ', this.#inForce),
      this.#form,
    );
  }

  // Wide pages always show the form; narrow ones show results first, and the form on demand.
  #fold(signal) {
    const narrow = window.matchMedia(NARROW);
    const follow = () => {
      this.element.open = !narrow.matches;
    };
    narrow.addEventListener('change', follow, { signal });
    follow();
  }

  #submit(event) {
    event.preventDefault();
    this.#soon(0);
  }

  #soon(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#changed(), delay);
  }

  // What is being typed is no filter yet.
  #apply() {
    this.values = Object.fromEntries(FIELDS.map((name) => [name, this.#inputs[name].value.trim()]));
    this.#reset.hidden = !this.active;
    this.#inForce.hidden = !this.active;
    setText(this.#inForce, 'filter.inForce', { count: Object.values(this.values).filter(Boolean).length });
  }

  #changed() {
    this.#apply();
    rename(withQuery(window.location.pathname, this.values));
    this.dispatchEvent(new CustomEvent('change'));
  }

  /** Whether anything is filtered at all. */
  get active() {
    return Object.values(this.values).some(Boolean);
  }

  /** Replace all fields. */
  set(values) {
    for (const name of FIELDS) this.#inputs[name].value = values[name] ?? '';
    this.#soon(0);
  }

  /** Query parameters of GET /api/results: the reader's local days as instants, the last one included. */
  get parameters() {
    const { from, to, modality, ...rest } = this.values;
    return { ...rest, modality: modality.toUpperCase(), from: startOfDay(from, 0), to: startOfDay(to, 1) };
  }
}

function startOfDay(date, daysLater) {
  if (!date) return '';
  const [year, month, day] = date.split('-').map(Number);
  return new Date(year, month - 1, day + daysLater).toISOString();
}
