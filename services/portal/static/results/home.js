// Counters and the list that follows what happens, below what the page has on top: uploads, or a link's notice.

import { rememberList } from '../app/addresses.js';
import { ApiError, NetworkError } from '../app/api.js';
import { Counters } from './counters.js';
import { el } from '../ui/dom.js';
import { setText, t } from '../app/i18n.js';
import { ResultsFilters } from './filters.js';
import { ResultsList } from './list.js';

const GATHER = 300; // changes within this time are answered by one reload
const PAUSE = 1000; // between two reloads

/** `uploads` ({queue}) and `live` belong to the session and outlive this view; `panel`: what stands on top. */
export function homeView({ user, uploads, live }, signal, { panel = null, heading }) {
  const filters = new ResultsFilters(window.location.search, signal);
  const list = new ResultsList(filters, user, (results) => {
    for (const result of results) uploads.queue.learn(result.file_id, result.state);
  });
  const counters = new Counters((state) => filters.set({ ...filters.values, state }));
  const liveMark = el('span', { class: 'live-mark' });

  const showLive = () => {
    liveMark.dataset.status = live.status;
    setText(liveMark, `live.${live.status}`);
  };
  const onFilters = () => {
    rememberList();
    counters.mark(filters.values.state);
    list.load();
  };
  const reload = gathering(async (changed) => {
    await Promise.all([quietly(counters.load(signal)), list.refresh(changed)]);
  }, signal);

  filters.addEventListener('change', onFilters, { signal });
  live.addEventListener('status', showLive, { signal });
  live.addEventListener('change', ({ detail }) => reload(detail.file_id), { signal });
  live.addEventListener('resync', () => reload(null), { signal });
  document.addEventListener('languagechange', () => (counters.render(), list.render({ everything: true })), {
    signal,
  });
  signal.addEventListener('abort', () => list.stop());
  panel?.acceptDrops(signal);

  rememberList();
  counters.mark(filters.values.state);
  showLive();
  list.load();
  quietly(counters.load(signal));
  live.start();
  return {
    element: layout(heading, panel, counters, filters, list, liveMark),
    title: () => t(heading),
  };
}

function layout(heading, panel, counters, filters, list, liveMark) {
  return el(
    'div',
    { class: 'home' },
    el('h1', { class: 'visually-hidden', tabindex: -1, i18n: heading }),
    panel?.element,
    el(
      'section',
      { class: 'card', 'aria-labelledby': 'results-heading' },
      el('div', { class: 'card-head' }, el('h2', { id: 'results-heading', i18n: 'list.heading' }), liveMark),
      counters.element,
      filters.element,
      list.element,
    ),
  );
}

// The list beside it shows the same trouble with words and a button.
async function quietly(work) {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError || error.name === 'AbortError'))
      throw error;
  }
}

/** Call `work(Set of ids)` for all ids of a moment together, never twice at a time. */
function gathering(work, signal) {
  let ids = new Set();
  let busy = false;
  const run = async () => {
    if (signal.aborted) return;
    const mine = ids;
    ids = new Set();
    await work(mine);
    setTimeout(() => {
      busy = false;
      if (ids.size > 0) start();
    }, PAUSE - GATHER);
  };
  const start = () => {
    busy = true;
    setTimeout(run, GATHER);
  };
  return (id) => {
    ids.add(id);
    if (!busy) start();
  };
}
