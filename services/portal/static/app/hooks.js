// What components listen to.

import { useEffect, useLayoutEffect, useState } from '../vendor/hooks.mjs';
import { currentPlace, onPlace } from './router.js';
import { setTitle } from './title.js';

/** Render anew when `target` dispatches `type`. */
export function useEvent(target, type) {
  const [, render] = useState(0);
  // Not after the next frame of the screen: an answer may come before it.
  useLayoutEffect(() => {
    const listen = () => render((count) => count + 1);
    target.addEventListener(type, listen);
    return () => target.removeEventListener(type, listen);
  }, [target, type]);
}

/** Where the reader is, by the address bar. */
export function usePlace() {
  const [place, setPlace] = useState(currentPlace);
  useEffect(() => {
    setPlace(currentPlace());
    return onPlace(setPlace);
  }, []);
  return place;
}

/** Render anew in another language, with everything below. */
export function useTexts() {
  useEvent(document, 'languagechange');
}

/** Title the page by what `text()` gives, in each language. */
export function useTitle(text) {
  useLayoutEffect(() => setTitle(text), []);
}

/** Whether the browser has a network. */
export function useOnline() {
  useEvent(window, 'online');
  useEvent(window, 'offline');
  return navigator.onLine;
}
