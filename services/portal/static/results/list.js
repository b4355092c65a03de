// The list of results: pages by cursor, rows that change in place.

import { announce } from '../app/announce.js';
import { ApiError, NetworkError, request, withQuery } from '../app/api.js';
import { button, el, fill } from '../ui/dom.js';
import { setText, t } from '../app/i18n.js';
import { errorText, problemDetail } from '../app/problems.js';
import { columns, resultRow } from './row.js';

const PAGE = 50;

/** The live list; `filters` decides what is in it, `onRows(results)` hears of every loaded page. */
export class ResultsList {
  #filters;
  #user;
  #onRows;
  #results = [];
  #cursor = null;
  #rows = new Map(); // file id -> {element, signature}
  #turn = Promise.resolve(); // requests run one after the other…
  #stop = new AbortController(); // …until new filters make them all pointless
  #body = el('tbody');
  #message = el('div', { class: 'empty', hidden: true });
  #more = button('list.more', null, () => this.#loadMore(), { class: 'button', hidden: true });
  #count = el('p', { class: 'quiet list-count' });
  #table;

  constructor(filters, user, onRows) {
    this.#filters = filters;
    this.#user = user;
    this.#onRows = onRows;
    this.#table = el(
      'table',
      { class: 'results', 'aria-labelledby': 'results-heading' },
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          columns(user.staff).map(([key, className]) =>
            el('th', { class: className, scope: 'col', i18n: key }),
          ),
        ),
      ),
      this.#body,
    );
    this.element = el(
      'div',
      { class: 'results-list' },
      this.#table,
      this.#message,
      el('div', { class: 'list-foot' }, this.#count, this.#more),
    );
  }

  /** Load the first page anew (the filters changed). */
  async load() {
    this.stop();
    this.#stop = new AbortController();
    this.element.setAttribute('aria-busy', 'true');
    await this.#inTurn(async (signal) => {
      const page = await this.#fetch(null, signal);
      this.#results = page.results;
      this.#cursor = page.next_cursor;
      this.render();
      if (this.#filters.active) announce(t('list.loaded', { count: this.#results.length }));
    });
    this.element.removeAttribute('aria-busy');
  }

  /** Load again what is shown, from the top, until every result of `changed` (a Set of ids) has been seen. */
  async refresh(changed) {
    const missing = new Set([...changed].filter((id) => this.#rows.has(id)));
    await this.#inTurn(async (signal) => {
      const fresh = [];
      let cursor = null;
      do {
        const page = await this.#fetch(cursor, signal);
        fresh.push(...page.results);
        cursor = page.next_cursor;
        for (const result of page.results) missing.delete(result.file_id);
      } while (cursor !== null && missing.size > 0 && fresh.length < this.#results.length);
      this.#merge(fresh, cursor);
      this.render();
    });
  }

  // Fresh rows on top; what was loaded below the last of them stays. Without that anchor, start over.
  #merge(fresh, cursor) {
    const last = fresh.at(-1)?.file_id;
    const anchor = cursor === null ? -1 : this.#results.findIndex((result) => result.file_id === last);
    const known = new Set(fresh.map((result) => result.file_id));
    const below =
      anchor < 0 ? [] : this.#results.slice(anchor + 1).filter((result) => !known.has(result.file_id));
    this.#results = [...fresh, ...below];
    if (below.length === 0) this.#cursor = cursor;
  }

  async #loadMore() {
    const before = this.#results.length;
    await this.#inTurn(async (signal) => {
      const page = await this.#fetch(this.#cursor, signal);
      const known = new Set(this.#results.map((result) => result.file_id));
      this.#results.push(...page.results.filter((result) => !known.has(result.file_id)));
      this.#cursor = page.next_cursor;
      this.render();
      announce(t('list.loaded', { count: this.#results.length - before }));
      if (this.#more.hidden) this.#body.children[before]?.querySelector('a')?.focus(); // the button is gone
    });
  }

  async #fetch(cursor, signal) {
    const page = await request(
      withQuery('/api/results', { ...this.#filters.parameters, limit: PAGE, cursor }),
      { signal },
    );
    this.#onRows(page.results);
    return page;
  }

  #inTurn(work) {
    const { signal } = this.#stop;
    this.#turn = this.#turn.then(async () => {
      try {
        if (!signal.aborted) await work(signal);
      } catch (error) {
        if (error instanceof ApiError || error instanceof NetworkError) this.#showError(error);
        else if (error.name !== 'AbortError') throw error;
      }
    });
    return this.#turn;
  }

  /** Stop loading: the view is left. */
  stop() {
    this.#stop.abort();
  }

  /** Bring the rows in line with the results; those that did not change stay, and so does the focus. */
  render({ everything = false } = {}) {
    const focused =
      this.#body.contains(document.activeElement) && document.activeElement.closest('tr').dataset.fileId;
    if (everything) this.#rows.clear();
    const rows = new Map(this.#results.map((result) => [result.file_id, this.#row(result)]));
    let place = this.#body.firstElementChild;
    for (const { element } of rows.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(element, place);
    }
    while (place !== null) {
      const next = place.nextElementSibling;
      place.remove();
      place = next;
    }
    this.#rows = rows;
    if (focused && !this.#body.contains(document.activeElement)) {
      rows.get(focused)?.element.querySelector('a').focus({ preventScroll: true });
    }
    this.#showFoot();
  }

  #row(result) {
    const signature = JSON.stringify(result);
    const old = this.#rows.get(result.file_id);
    return old?.signature === signature ? old : { element: resultRow(result, this.#user), signature };
  }

  #showFoot() {
    const empty = this.#results.length === 0;
    this.#table.hidden = empty;
    this.#message.hidden = !empty;
    this.#more.hidden = this.#cursor === null;
    this.#count.hidden = empty;
    setText(this.#count, this.#cursor === null ? 'list.allShown' : 'list.someShown', {
      count: this.#results.length,
    });
    if (!empty) return;
    const key = this.#filters.active ? 'list.noMatch' : 'list.nothingYet';
    fill(
      this.#message,
      el('p', { i18n: key }),
      this.#filters.active && button('filter.reset', 'close', () => this.#filters.set({})),
    );
  }

  #showError(error) {
    this.#message.hidden = false;
    fill(
      this.#message,
      el('p', { class: 'tone-bad', role: 'alert', i18n: ['format.text', { text: () => errorText(error) }] }),
      el('p', { class: 'quiet', lang: 'en', i18n: ['format.text', { text: () => problemDetail(error) }] }),
      button('error.retry', 'retry', () => this.load()),
    );
  }
}
