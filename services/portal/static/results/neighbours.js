// Before and after in the series: by links, and by the arrow keys.

import { resultAddress } from '../app/addresses.js';
import { resultPaths } from '../app/api.js';
import { t } from '../app/i18n.js';
import { go } from '../app/router.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { askedFor } from './loading.js';

const ELSEWHERE = 'input, select, textarea, [role="slider"], [role^="menu"], [role="grid"], dialog, .scroll';

/** Where a file lies in its series: {position, count, previous, next}; null while nobody knows, or has said. */
export function useNeighbours(fileId, changed) {
  const [found, setFound] = useState(/** @type {{of: string, place: any}} */ ({ of: '', place: null }));
  useEffect(() => {
    const leaving = new AbortController();
    askedFor(resultPaths(fileId).neighbours, leaving.signal).then(
      // What cannot be asked for anew stays.
      (place) => setFound((before) => (place === null && before.of === fileId ? before : { of: fileId, place })),
      (error) => {
        if (error.name !== 'AbortError') throw error;
      },
    );
    return () => leaving.abort();
  }, [fileId, changed]);
  return found.of === fileId ? found.place : null;
}

export function Neighbours({ neighbours }) {
  const steps = useRef(0); // taken by keys before the next neighbours were known
  const going = useRef(false); // to a file whose page has not come yet
  const last = useRef(/** @type {any} */ (null));
  if (neighbours !== null) last.current = neighbours;
  const { previous = null, next = null } = neighbours ?? {};
  useEffect(() => {
    if (neighbours === null) return;
    going.current = false;
    if (steps.current === 0) return;
    const to = steps.current > 0 ? next : previous;
    steps.current = to === null ? 0 : steps.current - Math.sign(steps.current);
    if (to !== null) walk(to);
  }, [neighbours]);
  const walk = (/** @type {string} */ to) => {
    going.current = true;
    go(resultAddress(to), { replace: true });
  };
  useEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
      if (!step || !plain || event.defaultPrevented || /** @type {HTMLElement} */ (event.target).closest(ELSEWHERE)) return;
      const to = step > 0 ? next : previous;
      if (neighbours === null || going.current) steps.current += step;
      else if (to !== null) walk(to);
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [neighbours]);
  const { count = 0, position = null } = last.current ?? {};
  if (count < 2) return null;
  return html`<nav class="neighbours" aria-label=${t('neighbours.heading')} data-walk>
    <${Way} to=${previous} icon="back" label=${t('neighbours.previous')} />
    <span>${t('neighbours.place', { position, count })}</span>
    <${Way} to=${next} icon="forward" label=${t('neighbours.next')} />
  </nav>`;
}

function Way({ to, icon, label }) {
  if (to === null) return html`<span class="icon-button" aria-hidden="true"><${Icon} name=${icon} /></span>`;
  return html`<a class="icon-button" href=${resultAddress(to)} data-route aria-label=${label} title=${label}><${Icon} name=${icon} /></a>`;
}
