// The address bar decides the view. Each view gets an AbortSignal that fires when it is left.

import { t, translate } from './i18n.js';

/**
 * Shows views in `outlet`; `routes` are [pattern, view function(parameters, signal)].
 * `gate()` may give a view function to show in place of whatever the address names.
 */
export class Router {
  #outlet;
  #routes;
  #fallback;
  #gate;
  #leaving = new AbortController();
  #view = null;

  constructor(outlet, routes, fallback, gate) {
    this.#outlet = outlet;
    this.#routes = routes;
    this.#fallback = fallback;
    this.#gate = gate;
    window.addEventListener('popstate', () => this.show());
    document.addEventListener('click', (event) => this.#onClick(event));
    document.addEventListener('languagechange', () => this.#retitle());
  }

  #onClick(event) {
    const link = event.target.closest?.('a[data-route]');
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }

  /** Go to an address of this application. */
  go(address) {
    window.history.pushState({ inside: true }, '', address);
    this.show();
  }

  /** Show the view that the address bar names, with the focus on its heading. */
  show() {
    const barred = this.#gate();
    if (barred) return this.present(barred);
    const path = window.location.pathname;
    for (const [pattern, view] of this.#routes) {
      const match = pattern.exec(path);
      if (match) return this.present((signal) => view(match.slice(1).map(decodeURIComponent), signal));
    }
    return this.present(this.#fallback);
  }

  /** Replace the view without touching the address (sign-in keeps the reader's place). */
  present(build) {
    this.#leaving.abort();
    this.#leaving = new AbortController();
    this.#view = build(this.#leaving.signal);
    this.#outlet.replaceChildren(this.#view.element);
    translate(this.#outlet);
    this.#retitle();
    window.scrollTo(0, 0);
    (this.#view.focus ?? this.#outlet.querySelector('h1'))?.focus();
  }

  #retitle() {
    const name = this.#view?.title?.();
    document.title = name ? `${name} · ${t('app.name')}` : t('app.name');
  }

  /** A view whose name became known after it was shown. */
  renamed() {
    this.#retitle();
  }
}
