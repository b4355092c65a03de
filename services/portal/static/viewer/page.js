// The viewer: the series of a study, in one to four viewports, with tools, and what they measured.

import { pageAddress, studyPage } from '../app/addresses.js';
import { announce } from '../app/announce.js';
import { ApiError, NetworkError, request, withQuery } from '../app/api.js';
import { useTexts } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { byLink } from '../app/link-mode.js';
import { currentPlace, go, keep, rename } from '../app/router.js';
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

/** The study of the address: {study, error, retry}. */
function useStudy(uid, collection) {
  const [{ study, error }, setFound] = useState(/** @type {{study: any, error: any}} */ ({ study: null, error: null }));
  const [again, retry] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const leaving = new AbortController();
    request(withQuery(`/api/studies/${encodeURIComponent(uid)}`, { collection }), { signal: leaving.signal }).then(
      (found) => setFound({ study: found, error: null }),
      (problem) => {
        if (problem.name === 'AbortError') return;
        if (!(problem instanceof ApiError || problem instanceof NetworkError)) throw problem;
        setFound({ study: null, error: problem });
      },
    );
    return () => leaving.abort();
  }, [uid, collection, again]);
  return { study, error, retry: () => retry(undefined) };
}

export function View(properties) {
  useTexts();
  return html`<${Study} key=${properties.parameters[0]} ...${properties} />`;
}

function Study({ work, parameters: [uid], place }) {
  const asked = new URLSearchParams(place.query);
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
  const { study, error, retry } = useStudy(uid, collection);
  useLayoutEffect(() => {
    setTitle(() => (study ? `${personName(study.patient_name) || study.patient_id || ''} · ${t('viewer.heading')}` : t('viewer.heading')));
    if (error !== null) /** @type {HTMLElement} */ (document.querySelector('main h1'))?.focus();
  }, [study === null, error === null]);
  if (error !== null)
    return html`<section class="card">
      ${error.status === 404
        ? html`<${Empty} icon="studies" heading=${t('viewer.unknownHeading')} text=${t('viewer.unknown')} />`
        : html`<${ErrorState} error=${error} heading=${t('error.heading')} retry=${retry} />`}
    </section>`;
  if (study === null) return html`<div class="viewer"><${Skeleton} /></div>`;
  if (study.series.length === 0)
    return html`<section class="card"><${Empty} icon="studies" heading=${t('viewer.heading')} text=${t('viewer.nothing')} /></section>`;
  return html`<${Opened} study=${study} stacks=${stacks} asked=${{ series, image }} work=${work} />`;
}

/** What was open at this entry of the history, for the same reader; else a new one. */
function useViewing(study, stacks, asked, work) {
  const viewing = useMemo(() => {
    const kept = keep();
    const { user_id: user } = work.user;
    if (kept.viewer?.user === user && kept.viewer.study === study.study_instance_uid) {
      kept.viewer.viewing.open(stacks);
      return kept.viewer.viewing;
    }
    const made = new Viewing({ series: study.series, stacks, first: asked.series, image: asked.image });
    kept.viewer = { user, study: study.study_instance_uid, viewing: made };
    return made;
  }, []);
  useEffect(() => () => viewing.stop(), []);
  return viewing;
}

// Changed files are asked for anew; what is not the reader's any more is left.
function useLife(viewing, study, work) {
  useEffect(() => {
    let timer = 0;
    const soon = (/** @type {CustomEventInit} */ { detail }) => {
      if (detail?.study_instance_uid && detail.study_instance_uid !== study.study_instance_uid) return;
      timer ||= setTimeout(() => {
        timer = 0;
        viewing.stacks.refresh();
      }, GATHER);
    };
    const lost = () => {
      const gone = viewing.panes.some((pane) => viewing.heldBy(pane).error?.status === 404);
      if (!gone || !viewing.seen) return;
      toast(t('viewer.gone'), 'bad');
      go(pageAddress(byLink ? '/s/' : '/studies'), { replace: true });
    };
    work.live.start();
    work.live.addEventListener('change', soon);
    work.live.addEventListener('resync', soon);
    viewing.addEventListener('change', lost);
    viewing.addEventListener('refused', soon);
    return () => {
      clearTimeout(timer);
      work.live.removeEventListener('change', soon);
      work.live.removeEventListener('resync', soon);
      viewing.removeEventListener('change', lost);
      viewing.removeEventListener('refused', soon);
    };
  }, [viewing, work.live]);
}

// The address names what is in view, for reloading and for passing it on.
function useAddress(viewing) {
  useEffect(() => {
    let timer = 0;
    const name = () => {
      const { path, query } = currentPlace();
      const next = new URLSearchParams(query);
      next.set('series', viewing.pane.series);
      if (viewing.pane.image) next.set('image', viewing.pane.image);
      rename(pageAddress(`${path}?${next}`));
    };
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(name, NAMED);
    };
    viewing.addEventListener('frame', soon);
    viewing.addEventListener('change', soon);
    return () => {
      clearTimeout(timer);
      viewing.removeEventListener('frame', soon);
      viewing.removeEventListener('change', soon);
    };
  }, [viewing]);
}

function Opened({ study, stacks, asked, work }) {
  const viewing = useViewing(study, stacks, asked, work);
  useLife(viewing, study, work);
  useAddress(viewing);
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
