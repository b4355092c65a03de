// The bell in the bar: what happened that concerns the reader. What they have looked at is kept in this browser.

import { useEffect, useState } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Menu } from '../ui/menu.js';
import { pageAddress } from './addresses.js';
import { foreseenOrStopped, request, withQuery } from './api.js';
import { nameOf, useNames } from './directory.js';
import { formatTime } from './format.js';
import { t } from './i18n.js';
import { filesFailed, inOrder, sharesReceived, unreadOf } from './notices.js';
import { go } from './router.js';

const GATHER = 2000; // milliseconds: changes within this time are answered by one question
const ASKED = 50;
const SHOWN = 12;

const stored = (user) => `dicom.bell.${user.user_id}`;

async function load(user, signal) {
  const may = (permission) => user.permissions.includes(permission);
  const [shares, failed] = await Promise.all([
    may('view_share')
      ? request(withQuery('/api/shares', { with: 'me', limit: ASKED }), { signal })
      : { shares: [] },
    may('view_dicomresult')
      ? request(withQuery('/api/results', { state: 'failed', owner: user.user_id, limit: ASKED }), { signal })
      : { results: [] },
  ]);
  return [...sharesReceived(shares.shares, user), ...filesFailed(failed.results)];
}

/** What there is, asked for again when the stream says that something is shared or has failed. */
function useNotices({ user, live }) {
  const [notices, setNotices] = useState([]);
  useEffect(() => {
    const leaving = new AbortController();
    let timer = 0;
    const ask = () => {
      timer = 0;
      load(user, leaving.signal).then(setNotices, (error) => {
        // The bell keeps what it had; the page says what is wrong.
        if (!foreseenOrStopped(error)) throw error;
      });
    };
    const soon = () => {
      timer ||= window.setTimeout(ask, GATHER);
    };
    const onChange = ({ detail }) => detail.state === 'failed' && detail.owner_id === user.user_id && soon();
    soon(); // after what the page itself asks for
    live.addEventListener('resync', soon);
    live.addEventListener('change', onChange);
    return () => {
      leaving.abort();
      clearTimeout(timer);
      live.removeEventListener('resync', soon);
      live.removeEventListener('change', onChange);
    };
  }, [user.user_id, live]);
  return notices;
}

/** Uploads of this tab that have ended with problems; null for none. */
function useEnded({ queue }) {
  const [ended, setEnded] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let busy = queue.busy;
    const look = () => {
      if (queue.busy === busy) return;
      busy = queue.busy;
      const count = busy ? 0 : queue.ledger.problems;
      const notice = { key: 'uploads', icon: 'upload', text: 'bell.uploads', parameters: { count } };
      setEnded(count > 0 ? { ...notice, at: new Date().toISOString(), address: pageAddress('/upload') } : null);
    };
    queue.addEventListener('change', look);
    return () => queue.removeEventListener('change', look);
  }, [queue]);
  return ended;
}

/** @param {{work: any}} properties */
export function Bell({ work }) {
  const { user, uploads } = work;
  const found = useNotices(work);
  const ended = useEnded(uploads);
  const notices = inOrder([ended, ...found].filter(Boolean), SHOWN);
  const [read, setRead] = useState(() => localStorage.getItem(stored(user)));
  const [since, setSince] = useState(read);
  useNames(notices.flatMap((notice) => notice.from ?? []));
  const fresh = unreadOf(notices, read);
  const onToggle = (open) => {
    if (!open) return;
    const now = new Date().toISOString();
    localStorage.setItem(stored(user), now);
    setSince(read);
    setRead(now);
  };
  const recent = unreadOf(notices, since);
  const items = notices.map((notice) => ({
    label: sentence(notice),
    icon: notice.icon,
    group: t(recent.includes(notice) ? 'bell.new' : 'bell.earlier'),
    onSelect: () => go(notice.address),
  }));
  if (notices.length === 0) items.push({ label: t('bell.none'), icon: 'check', group: t('bell.label'), onSelect: () => {} });
  const label = fresh.length > 0 ? t('bell.unread', { count: fresh.length }) : t('bell.label');
  const button = html`<${Icon} name="bell" />
    <span class="visually-hidden">${label}</span>
    ${fresh.length > 0 && html`<span class="bell-count" aria-hidden="true">${fresh.length > 9 ? '9+' : fresh.length}</span>`}`;
  return html`<${Menu} class="bell" label=${t('bell.label')} button=${button} items=${items} onToggle=${onToggle} />`;
}

/** @param {import('./notices.js').Notice} notice */
function sentence({ text, parameters, from, at }) {
  const name = from && (nameOf(from) ?? t('bell.somebody'));
  return `${t(text, { ...parameters, name })} · ${formatTime(at)}`;
}
