// A page that builds its own nodes, inside the frame: those of before preact.

import { translate } from '../app/i18n.js';
import { setTitle } from '../app/title.js';
import { useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { html } from './html.js';

/**
 * `build(signal)` gives {element, title, focus?}; the signal fires when the page is left. Another `of` builds anew.
 * @param {{of: unknown, build: (signal: AbortSignal) => {element: HTMLElement, title?: () => string, focus?: HTMLElement}}} properties
 */
export function Mounted({ of, build }) {
  const place = useRef(/** @type {HTMLDivElement} */ (null));
  useLayoutEffect(() => {
    const leaving = new AbortController();
    const view = build(leaving.signal);
    place.current.replaceChildren(view.element);
    translate(place.current);
    setTitle(view.title);
    // A page that comes late takes the focus from no menu and no dialog that was opened meanwhile.
    if (!document.activeElement?.closest('[role="menu"], dialog')) (view.focus ?? place.current.querySelector('h1'))?.focus();
    return () => leaving.abort();
  }, [of]);
  return html`<div ref=${place}></div>`;
}
