// An answer that is asked for again and again while somebody looks: the last one stays when the next fails, and says how
// old it is.

import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { foreseen, request } from './api.js';

/**
 * @typedef {{phase: 'loading' | 'ready' | 'error', data: any, error: any, stale: any, at: Date | null, again: () => void}} Polled
 * `error`: nothing was ever answered; `stale`: what went wrong since the answer of `at`.
 */

/**
 * @param {string} path
 * @param {number} seconds
 * @returns {Polled}
 */
export function usePolled(path, seconds) {
  const [state, setState] = useState(/** @type {any} */ ({ phase: 'loading', data: null, error: null, stale: null, at: null }));
  const ask = useRef(() => {});
  useEffect(() => {
    let leaving = new AbortController();
    let timer = 0;
    const next = () => {
      timer = setTimeout(look, seconds * 1000);
    };
    const look = async () => {
      clearTimeout(timer);
      // Nobody sees it: it is asked for when somebody does.
      if (document.hidden) return;
      leaving.abort();
      leaving = new AbortController();
      const { signal } = leaving;
      try {
        const data = await request(path, { signal });
        setState({ phase: 'ready', data, error: null, stale: null, at: new Date() });
      } catch (error) {
        if (signal.aborted) return;
        if (!foreseen(error)) throw error;
        setState((before) =>
          before.phase === 'ready' ? { ...before, stale: error } : { ...before, phase: 'error', error },
        );
      }
      if (!signal.aborted) next();
    };
    ask.current = look;
    setState({ phase: 'loading', data: null, error: null, stale: null, at: null });
    look();
    const shown = () => !document.hidden && look();
    document.addEventListener('visibilitychange', shown);
    return () => {
      document.removeEventListener('visibilitychange', shown);
      clearTimeout(timer);
      leaving.abort();
    };
  }, [path, seconds]);
  return { ...state, again: () => ask.current() };
}
