// Components that follow the queue: it moves thousands of times, pages a few times a second.

import { useEffect, useState } from '../vendor/hooks.mjs';

const REDRAW = 250; // milliseconds

/** Render anew, now and then, while the queue changes. @param {import('./queue.js').UploadQueue} queue */
export function useQueue(queue) {
  const [, render] = useState(0);
  useEffect(() => {
    let timer = 0;
    const show = () => {
      timer = 0;
      const { ledger, holds, speed } = queue;
      if (ledger.active > 0 && holds.first === null) speed.note(ledger.sent, performance.now());
      else speed.stop();
      render((count) => count + 1);
    };
    const soon = () => {
      timer ||= window.setTimeout(show, REDRAW);
    };
    queue.addEventListener('change', soon);
    soon();
    return () => {
      clearTimeout(timer);
      queue.removeEventListener('change', soon);
    };
  }, [queue]);
}
