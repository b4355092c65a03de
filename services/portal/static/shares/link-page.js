// The page of a link, for people without an account: opened once by its token, then by this browser's cookie.

import { LanguageSwitch } from '../app/account-menu.js';
import { pageAddress } from '../app/addresses.js';
import { ApiError, NetworkError, request, sessionEvents } from '../app/api.js';
import { Frame } from '../app/frame.js';
import { usePlace, useTexts } from '../app/hooks.js';
import { tokenInAddress, whoAddress } from '../app/link-mode.js';
import { LiveChanges } from '../app/live.js';
import { routeOf } from '../app/page.js';
import { go } from '../app/router.js';
import { FileList } from '../results/list.js';
import { View as ResultPage } from '../results/result-page.js';
import { errorView, notFoundView } from '../ui/error-view.js';
import { html } from '../ui/html.js';
import { Mounted } from '../ui/mounted.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { linkNotice, linkOverView, linkPasswordView } from './link-views.js';

/** What is shown: a page of what the link opens (`work`), or a view in its place (`build`). */
const NOTHING = { work: null, build: null };

function opening(opened, close) {
  const permissions = opened.download ? ['view_dicomfile'] : [];
  const notice = linkNotice(opened, close);
  return { user: { permissions }, live: new LiveChanges(() => true), notice };
}

/** Exchange the token: afterwards it is neither in the address bar nor in the history. */
async function exchange(token, password) {
  const json = password === undefined ? { token } : { token, password };
  const opened = await request(whoAddress, { method: 'POST', json, announcing: false });
  go(pageAddress('/s/'), { replace: true });
  return opened;
}

function known(error) {
  if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
  return error;
}

const ROUTES = [
  { pattern: /^\/s\/$/, View: List },
  { pattern: /^\/s\/results\/([^/]+)$/, View: ResultPage },
];

function List({ work, place }) {
  const notice = html`<${Mounted} of=${work} build=${() => ({ element: work.notice })} />`;
  return html`<${FileList} work=${work} place=${place} heading="link.heading" above=${notice} />`;
}

export function LinkApp() {
  useTexts();
  const place = usePlace();
  const [shown, setShown] = useState(NOTHING);

  function end(error) {
    setShown((before) => {
      before.work?.live.stop();
      return { work: null, build: () => linkOverView(error) };
    });
  }

  async function close() {
    try {
      await request(whoAddress, { method: 'DELETE', announcing: false });
    } catch (error) {
      known(error);
      setShown((before) => ({ ...before, build: () => errorView(error, close) }));
      return;
    }
    end(new ApiError(401, { code: 'link-session-over' }));
  }

  async function begin() {
    const token = tokenInAddress();
    const show = (opened) => setShown({ work: opening(opened, close), build: null });
    try {
      show(token === null ? await request(whoAddress, { announcing: false }) : await exchange(token));
    } catch (error) {
      const asked = known(error) instanceof ApiError && error.code === 'link-password-required';
      const build = asked
        ? () => linkPasswordView(async (password) => show(await exchange(token, password)))
        : () => linkOverView(error, begin);
      setShown({ work: null, build });
    }
  }

  useEffect(() => {
    begin();
    const ended = (/** @type {CustomEventInit} */ { detail }) => end(detail);
    sessionEvents.addEventListener('ended', ended);
    return () => sessionEvents.removeEventListener('ended', ended);
  }, []);

  // The brand leads out of here, to another page.
  return html`<${Frame} brand=${pageAddress('/')} local=${false} tools=${html`<${LanguageSwitch} />`}>
    <${Shown} shown=${shown} place=${place} />
  <//>`;
}

function Shown({ shown: { work, build }, place }) {
  useEffect(() => {
    if (!place.back) window.scrollTo(0, 0);
  }, [place.key]);
  if (build !== null) return html`<${Mounted} key="instead" of=${build} build=${build} />`;
  if (work === null) return null;
  const found = routeOf(ROUTES, place.path);
  if (found === null) return html`<${Mounted} key="none" of=${place.path} build=${notFoundView} />`;
  const { View } = /** @type {any} */ (found.route);
  return html`<${View} key=${place.path} work=${work} place=${place} parameters=${found.parameters} />`;
}
