// The page of a link, for people without an account: opened once by its token, then by this browser's cookie.

import { LanguageSwitch } from '../app/account-menu.js';
import { pageAddress, resultAddress, studyPage } from '../app/addresses.js';
import { ApiError, foreseen, request, sessionEvents } from '../app/api.js';
import { Frame } from '../app/frame.js';
import { usePlace, useTexts } from '../app/hooks.js';
import { tokenInAddress, whoAddress } from '../app/link-mode.js';
import { LiveChanges } from '../app/live.js';
import { Page, routeOf } from '../app/page.js';
import { go } from '../app/router.js';
import { html } from '../ui/html.js';
import { NotFound } from '../ui/not-found.js';
import { Skeleton } from '../ui/states.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { LinkNotice, LinkOver, LinkPassword } from './link-states.js';

const FIRST = '/s/';

/** @type {import('../app/page.js').Route[]} */
const ROUTES = [
  {
    pattern: /^\/s\/studies\/([0-9.]+)$/,
    areas: ['studies'],
    permission: null,
    load: () => import('../studies/study-page.js'),
  },
  {
    pattern: /^\/s\/studies\/([0-9.]+)\/view$/,
    areas: ['results', 'viewer'],
    permission: null,
    load: () => import('../viewer/page.js'),
  },
  {
    pattern: /^\/s\/results\/([^/]+)$/,
    areas: ['results'],
    permission: null,
    load: () => import('../results/result-page.js'),
  },
];

/** The page of what a link opens. */
function firstPage({ kind, file_id: id, study_instance_uid: uid }) {
  return kind === 'file' ? resultAddress(id) : studyPage(uid);
}

/** What pages need of a reader; this one sends nothing and has no account. */
function workOf(opened) {
  const user = { user_id: 0, collections: {}, permissions: opened.download ? ['view_dicomfile'] : [] };
  return { user, live: new LiveChanges(() => true) };
}

/** Exchange the token: afterwards it is neither in the address bar nor in the history. */
async function exchange(token, password) {
  const json = password === undefined ? { token } : { token, password };
  const opened = await request(whoAddress, { method: 'POST', json, announcing: false });
  go(firstPage(opened), { replace: true });
  return opened;
}

function known(error) {
  if (!foreseen(error)) throw error;
  return error;
}

/** @typedef {{phase: 'asking' | 'password' | 'over' | 'open', opened?: any, work?: any, problem?: any, retry?: () => void}} Shown */

export function LinkApp() {
  useTexts();
  const place = usePlace();
  const [shown, setShown] = useState(/** @type {Shown} */ ({ phase: 'asking' }));

  const end = (problem, retry = undefined) =>
    setShown((before) => {
      before.work?.live.stop();
      return { phase: 'over', problem, retry };
    });
  const open = (opened) => setShown({ phase: 'open', opened, work: workOf(opened) });

  async function close() {
    try {
      await request(whoAddress, { method: 'DELETE', announcing: false });
    } catch (error) {
      end(known(error), close);
      return;
    }
    end(new ApiError(401, { code: 'link-session-over' }));
  }

  async function begin() {
    const token = tokenInAddress();
    try {
      open(token === null ? await request(whoAddress, { announcing: false }) : await exchange(token));
    } catch (error) {
      const asked = known(error) instanceof ApiError && error.code === 'link-password-required';
      if (asked) setShown({ phase: 'password', problem: error });
      else end(error, begin);
    }
  }

  useEffect(() => {
    begin();
    const ended = (/** @type {CustomEventInit} */ { detail }) => end(detail);
    sessionEvents.addEventListener('ended', ended);
    return () => sessionEvents.removeEventListener('ended', ended);
  }, []);

  const { phase, opened, work, problem, retry } = shown;
  const unlock = async (password) => open(await exchange(tokenInAddress(), password));
  // The brand leads out of here, to another page.
  return html`<${Frame} brand=${pageAddress('/')} local=${false} tools=${html`<${LanguageSwitch} />`}>
    ${phase === 'asking' && html`<${Skeleton} />`}
    ${phase === 'password' && html`<${LinkPassword} initials=${problem.problem.initials} open=${unlock} />`}
    ${phase === 'over' && html`<${LinkOver} problem=${problem} retry=${retry} />`}
    ${phase === 'open' && html`<${Opened} opened=${opened} work=${work} place=${place} onClose=${close} />`}
  <//>`;
}

function Opened({ opened, work, place, onClose }) {
  const found = routeOf(ROUTES, place.path);
  useEffect(() => {
    if (place.path === FIRST) go(firstPage(opened), { replace: true });
    else if (!place.back) window.scrollTo(0, 0);
  }, [place.key, place.path]);
  if (place.path === FIRST) return null;
  return html`<div class="link-page">
    <${LinkNotice} opened=${opened} onClose=${onClose} />
    ${found === null
      ? html`<${NotFound} />`
      : html`<${Page}
          key=${found.route.pattern.source}
          route=${found.route}
          work=${work}
          parameters=${found.parameters}
          place=${place}
        />`}
  </div>`;
}
