// The viewer: the series of a study, in one to four viewports, with tools, and what they measured.

import { pageAddress, studyPage } from '../app/addresses.js';
import { announce } from '../app/announce.js';
import { foreseen, request, withQuery } from '../app/api.js';
import { useTexts } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { byLink } from '../app/link-mode.js';
import { currentPlace, go, keep, rename } from '../app/router.js';
import { currentUser } from '../app/session.js';
import { setTitle } from '../app/title.js';
import { toast } from '../app/toasts.js';
import { personName } from '../dicom/person-name.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { linkSheet } from '../ui/sheet.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useLayoutEffect, useMemo, useReducer, useState } from '../vendor/hooks.mjs';
import { OpenWith } from '../viewers/open-with.js';
import { prepareDrawing } from './drawing.js';
import { Layout } from './layout.js';
import { Stacks } from './stacks.js';
import { Viewing } from './viewing.js';

linkSheet(new URL('./viewer.css', import.meta.url));
linkSheet(new URL('./viewport.css', import.meta.url));
linkSheet(new URL('./corners.css', import.meta.url));
linkSheet(new URL('./panel.css', import.meta.url));
linkSheet(new URL('./narrow.css', import.meta.url));

const GATHER = 1000; // milliseconds within which changes are answered by one question
const NAMED = 400; // of rest before the address names the image

/** The study of the address: {study, error, ask}; `ask` asks for it anew. */
function useStudy(uid, collection) {
  const [{ study, error }, setFound] = useState(/** @type {{study: any, error: any}} */ ({ study: null, error: null }));
  const [again, ask] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const leaving = new AbortController();
    request(withQuery(`/api/studies/${encodeURIComponent(uid)}`, { collection }), { signal: leaving.signal }).then(
      (found) => setFound({ study: found, error: null }),
      (problem) => {
        if (problem.name === 'AbortError') return;
        if (!foreseen(problem)) throw problem;
        setFound((before) => ({ ...before, error: problem })); // what is shown stays
      },
    );
    return () => leaving.abort();
  }, [uid, collection, again]);
  return { study, error, ask: () => ask(undefined) };
}

export function View(properties) {
  useTexts();
  return html`<${Study} key=${properties.parameters[0]} ...${properties} />`;
}

function Study({ work, parameters: [uid] }) {
  const asked = new URLSearchParams(currentPlace().query); // as it was named last, also after signing in again
  const [series, image, collection] = ['series', 'image', 'collection'].map((name) => asked.get(name) ?? '');
  // The first stack is asked for beside the study, not after it.
  const stacks = useMemo(() => {
    const made = new Stacks(collection);
    if (series !== '') made.of(series);
    return made;
  }, [uid]);
  useEffect(() => {
    prepareDrawing().catch(() => null); // the first picture asks again
  }, []);
  const { study, error, ask } = useStudy(uid, collection);
  useLayoutEffect(() => {
    setTitle(() => (study ? `${personName(study.patient_name) || study.patient_id || ''} · ${t('viewer.heading')}` : t('viewer.heading')));
    if (study === null && error !== null) /** @type {HTMLElement} */ (document.querySelector('main h1'))?.focus();
  }, [study === null, error === null]);
  if (study === null && error !== null)
    return html`<section class="card">
      ${error.status === 404
        ? html`<${Empty} icon="studies" heading=${t('viewer.unknownHeading')} text=${t('viewer.unknown')} />`
        : html`<${ErrorState} error=${error} heading=${t('error.heading')} retry=${ask} />`}
    </section>`;
  if (study === null) return html`<div class="viewer"><${Skeleton} /></div>`;
  if (study.series.length === 0)
    return html`<section class="card"><${Empty} icon="studies" heading=${t('viewer.heading')} text=${t('viewer.nothing')} /></section>`;
  return html`<${Opened} study=${study} gone=${error?.status === 404} ask=${ask} stacks=${stacks} asked=${{ first: series, image }} work=${work} />`;
}

/** As the same reader left this study in this tab, and at this entry of its history; `save` keeps it. */
function useViewing(study, stacks, asked, { user }) {
  const name = `dicom.viewer.${user.user_id}.${study.collection}.${study.study_instance_uid}`;
  const series = study.series.map((one) => one.series_instance_uid);
  const entry = useMemo(() => keep(), []);
  const viewing = useMemo(() => {
    const kept = JSON.parse(sessionStorage.getItem(name));
    return new Viewing({ series, stacks, ...asked, kept: kept && { ...kept, ...entry[name] } });
  }, []);
  viewing.series = series;
  useEffect(() => () => viewing.stop(), []);
  const save = () => {
    if (!byLink && currentUser() === null) return; // signed out: nothing of what was looked at stays
    const { named, state, ...measured } = viewing.kept;
    entry[name] = { named, state };
    sessionStorage.setItem(name, JSON.stringify({ named, state, ...measured }));
  };
  return { viewing, save };
}

// Changed files are asked for anew; what is not the reader's any more is left.
function useLife({ viewing, study, gone, ask, work }) {
  useEffect(() => {
    if (!gone) return;
    toast(t('viewer.gone'), 'bad');
    go(pageAddress(byLink ? '/s/' : '/studies'), { replace: true });
  }, [gone]);
  useEffect(() => {
    let timer = 0;
    const soon = (/** @type {CustomEventInit} */ { detail }) => {
      if (detail?.study_instance_uid && detail.study_instance_uid !== study.study_instance_uid) return;
      timer ||= setTimeout(() => {
        timer = 0;
        viewing.stacks.refresh();
        ask();
      }, GATHER);
    };
    work.live.start();
    work.live.addEventListener('change', soon);
    work.live.addEventListener('resync', soon);
    const stop = viewing.on(soon, ['refused']);
    addEventListener('online', soon);
    return () => {
      clearTimeout(timer);
      work.live.removeEventListener('change', soon);
      work.live.removeEventListener('resync', soon);
      stop();
      removeEventListener('online', soon);
    };
  }, [viewing, work.live]);
}

// The address names what is in view, for passing it on; the tab keeps how it is shown and what was measured.
function useAddress({ viewing, save }) {
  useEffect(() => {
    let timer = 0;
    const name = () => {
      const { path, query } = currentPlace();
      const next = new URLSearchParams(query);
      next.set('series', viewing.pane.series);
      if (viewing.pane.image) next.set('image', viewing.pane.image);
      rename(pageAddress(`${path}?${next}`));
      viewing.named = `${next.get('series')} ${next.get('image') ?? ''}`;
      save();
    };
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(name, NAMED);
    };
    const stop = viewing.on(soon, ['frame', 'change']);
    addEventListener('pagehide', save);
    return () => {
      clearTimeout(timer);
      save();
      removeEventListener('pagehide', save);
      stop();
    };
  }, [viewing]);
}

function Opened({ study, gone, ask, stacks, asked, work }) {
  const { viewing, save } = useViewing(study, stacks, asked, work);
  useLife({ viewing, study, gone, ask, work });
  useAddress({ viewing, save });
  useEffect(() => {
    document.getElementById(`viewport-${viewing.active}`)?.focus({ preventScroll: true });
    announce(t('viewer.opened'));
  }, []);
  const name = personName(study.patient_name) || study.patient_id || t('viewer.noName');
  const back = studyPage(study.study_instance_uid, byLink ? '' : `?${new URLSearchParams({ collection: study.collection })}`);
  const head = html`<div class="viewer-head">
    <a class="back" href=${back} data-route aria-label=${t('viewer.back')} title=${t('viewer.back')}><${Icon} name="back" /><span class="wide">${t('viewer.study')}</span></a>
    <h1 tabindex="-1"><bdi>${name}</bdi></h1>
    <p class="quiet clip wide"><bdi>${study.study_description ?? ''}</bdi></p>
    <${OpenWith} study=${{ study_instance_uid: study.study_instance_uid, collection: study.collection }} />
  </div>`;
  return html`<${Layout} viewing=${viewing} study=${study} head=${head} />`;
}
