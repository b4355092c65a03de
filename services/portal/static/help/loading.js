// A page of the guide as the server gives it, in the language of the reader.

import { request } from '../app/api.js';
import { useTexts } from '../app/hooks.js';
import { currentLanguage } from '../app/i18n.js';
import { root } from '../app/root.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

/**
 * An element: [name, attributes, children…]; or text.
 * @typedef {string | any[]} Node
 * @typedef {{title: string, contents: [id: string, text: string][], body: Node[]}} Guide
 */

/** Another language loads it anew. @returns {{guide: Guide | null, error: any, retry: () => void}} */
export function useGuide(page) {
  useTexts();
  const [found, setFound] = useState({ guide: null, error: null });
  const [again, setAgain] = useState(0);
  const language = currentLanguage();
  useEffect(() => {
    let wanted = true;
    const put = (next) => wanted && setFound({ guide: null, error: null, ...next });
    const address = new URL(`./${language}/${page}.json`, import.meta.url).pathname.slice(root.length);
    request(address, { renewing: false }).then(
      (guide) => put({ guide }),
      (error) => put({ error }),
    );
    return () => {
      wanted = false;
    };
  }, [page, language, again]);
  return { ...found, retry: () => setAgain(again + 1) };
}
