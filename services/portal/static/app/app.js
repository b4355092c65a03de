// The portal of those who have an account: who is signed in decides what is shown, then the address does.

import { useEffect, useState } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { NotFound } from '../ui/not-found.js';
import { Empty, ErrorState } from '../ui/states.js';
import { AccountMenu, LanguageSwitch } from './account-menu.js';
import { pageAddress } from './addresses.js';
import { Bell } from './bell.js';
import { Frame } from './frame.js';
import { useEvent, usePlace, useTexts } from './hooks.js';
import { t } from './i18n.js';
import { KeyHelp } from './key-help.js';
import { listenToKeys } from './keys.js';
import { Page, routeOf } from './page.js';
import { go } from './router.js';
import { entriesOf, ROUTES } from './routes.js';

const FIRST = ['/', '/sign-in']; // they lead on to the first page that the reader may see

/** @param {{state: import('./state.js').AppState, views: any}} properties */
export function App({ state, views }) {
  useTexts();
  useEvent(state, 'change');
  const [helping, setHelping] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const { user, work } = state;
  const open = user !== null && work !== null;
  const entries = open ? entriesOf(user) : [];
  useEffect(() => {
    const pages = Object.fromEntries(entries.map((entry) => [entry.key, entry.path]));
    return listenToKeys({ pages, help: () => setHelping(true) });
  }, [user]);

  const leave = () => (state.uploading > 0 ? setLeaving(true) : state.leave());
  const tools = open
    ? html`<${views.UploadTray} uploads=${work.uploads} />
        <${Bell} work=${work} />
        <${AccountMenu} user=${user} onHelp=${() => setHelping(true)} onLeave=${leave} />`
    : html`<${LanguageSwitch} />`;
  const search = user?.permissions.includes('view_dicomresult') && open && html`<${views.SearchBox} />`;
  const links = entries.map(({ path, name, icon }) => ({ path, href: pageAddress(path), label: t(name), icon }));
  return html`<${Frame} brand=${pageAddress('/')} entries=${links} search=${search} tools=${tools}>
    <${Content} state=${state} views=${views} />
    ${helping && html`<${KeyHelp} keys=${keysOf(entries)} onClose=${() => setHelping(false)} />`}
    ${leaving && html`<${Leaving} state=${state} dialog=${views.LeaveDialog} onStay=${() => setLeaving(false)} />`}
    ${state.newcomer &&
    html`<${views.LeaveDialog}
      count=${state.uploading}
      text=${t('leave.other', { name: work.user.username })}
      onStay=${() => state.keepUploads()}
      onLeave=${() => state.discardUploads()}
    />`}
  <//>`;
}

function Leaving({ state, dialog, onStay }) {
  const onLeave = () => {
    onStay();
    state.leave();
  };
  return html`<${dialog} count=${state.uploading} text=${t('leave.text')} onStay=${onStay} onLeave=${onLeave} />`;
}

function keysOf(entries) {
  return [
    ...entries.map((entry) => [['g', entry.key], t(entry.name)]),
    [['/'], t('keys.search')],
    [['?'], t('keys.help')],
    [['F6'], t('keys.regions')],
    [['Esc'], t('keys.escape')],
  ];
}

// Sign-in takes the place of every page and leaves the address alone; so does a password that must change.
function Content({ state, views }) {
  const { user, work, error } = state;
  const place = usePlace();
  const found = routeOf(ROUTES, place.path);
  if (found?.route.open) return html`<${Page} key=${place.path} route=${found.route} place=${place} />`;
  if (error) return html`<section class="card"><${ErrorState} error=${error} heading=${t('error.heading')} retry=${() => state.open()} /></section>`;
  if (place.path === '/forgotten-password') return html`<${views.ForgottenPassword} key=${place.key} />`;
  if (place.path === '/reset-password')
    return html`<${views.ResetPassword} key=${place.key} onReset=${() => state.enterAnew()} />`;
  if (user === null) {
    const { asked, ended, reset } = state;
    return html`<${views.SignIn} key=${asked} ended=${ended} reset=${reset} onSignedIn=${() => state.enter()} />`;
  }
  if (work === null)
    return html`<${views.ChangePassword} key=${user.user_id} username=${user.username} onChanged=${() => state.enter()} />`;
  return html`<${Routed} state=${state} place=${place} />`;
}

function Routed({ state, place }) {
  const { user, work } = state;
  const entries = entriesOf(user);
  useEffect(() => {
    if (FIRST.includes(place.path) && entries.length > 0) {
      go(pageAddress(entries[0].path) + place.query, { replace: true });
    } else if (!place.back) window.scrollTo(0, 0);
  }, [place.key, place.path]);
  const found = routeOf(ROUTES, place.path);
  if (entries.length === 0 && found?.route.permission !== null)
    return html`<section class="card"><${Empty} heading=${t('app.nothingOpenHeading')} text=${t('app.nothingOpen')} /></section>`;
  if (FIRST.includes(place.path)) return null;
  if (found === null) return html`<${NotFound} key=${place.path} />`;
  const { route, parameters } = found;
  if (route.allowed?.(user) === false)
    return html`<section class="card">
      <${Empty} icon="alert" heading=${t('app.forbiddenHeading')} text=${t('app.administrationOnly')} />
    </section>`;
  if (route.permission !== null && !user.permissions.includes(route.permission))
    return html`<section class="card">
      <${Empty}
        icon="alert"
        heading=${t('app.forbiddenHeading')}
        text=${t('app.forbidden', { permission: route.permission })}
      />
    </section>`;
  return html`<${Page} key=${route.pattern.source} route=${route} work=${work} parameters=${parameters} place=${place} />`;
}
