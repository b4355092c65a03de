// Which frames readers may look at next, and what of them is worth having. Nothing here touches the page.

import { valuesSize } from './frame-requests.js';

/**
 * @typedef {import('./frame-info.js').FrameInfo} FrameInfo
 * @typedef {import('./levels.js').Window} Window
 * @typedef {'preview' | 'values'} Part
 * @typedef {{infos: FrameInfo[], index: number, direction: number, window: Window | null, next: Window | null}} Place
 *   what a viewport shows; `window`: what its previews shall be drawn with, `next`: with what later
 * @typedef {{info: FrameInfo, part: Part, window: Window | null, urgent: boolean}} Job
 * @typedef {{places: Place[], needs: {info: FrameInfo, part: Part}[], cache: import('./cache.js').Cache,
 *   refused: (name: string) => boolean, rests: boolean, budget: number}} State
 */

const CLOSE = { ahead: 12, behind: 4 }; // previews before values of neighbours
const FAR = { ahead: 240, behind: 60 }; // previews, when nothing else is left to do
const AROUND = { ahead: 6, behind: 3 }; // values, once the reader rests
const READY = { ahead: 24, behind: 8 }; // bitmaps of previews
const SMALL = 48 * 1024; // bytes of values that no preview needs to go before

/** What a job is known by. */
export const nameOf = (info, part) => `${part} ${info.key}`;

/** Whether previews for both look the same. */
export const sameWindow = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

/** What a viewport shows now. Frames of the same list are scrolled, and keep the window of their previews for a while.
 * @param {Place | undefined} before @returns {Place} */
export function moved(before, infos, index, window) {
  if (before?.infos !== infos) return { infos, index, direction: 1, window, next: window };
  const direction = Math.sign(index - before.index) || before.direction;
  return { infos, index, direction, window: before.window, next: window };
}

/** Frames from the one in view on, the nearest first, in the direction of scrolling further than behind.
 * @param {Place} place @returns {FrameInfo[]} */
export function reach({ infos, index, direction }, { ahead, behind }) {
  const found = [infos[index]];
  for (let step = 1; step <= Math.max(ahead, behind); step += 1) {
    if (step <= ahead) found.push(infos[index + step * direction]);
    if (step <= behind) found.push(infos[index - step * direction]);
  }
  return found.filter(Boolean);
}

/** Frames whose bitmaps shall be ready; several viewports share the room. @param {Place[]} places */
export function near(places) {
  const [ahead, behind] = [READY.ahead, READY.behind].map((steps) => Math.ceil(steps / places.length));
  return places.flatMap((place) => reach(place, { ahead, behind }));
}

// What one viewport wants, in tiers. Values wait until the reader rests and something of the image in view is there.
function tiersOf(/** @type {Place} */ place, /** @type {State} */ { places, cache, refused, rests, budget }) {
  const info = place.infos[place.index];
  const held = cache.get(info.key);
  const shown = held?.values ?? held?.blob ?? refused(nameOf(info, 'preview'));
  const previews = (frames) => frames.map((frame) => [frame, 'preview']);
  const soon = previews(reach(place, CLOSE));
  const values = rests && shown ? [[info, 'values']] : [];
  // What is looked at is not kept waiting by what may be looked at: on slow lines they would share the way.
  if (values.length && !held?.values && !refused(nameOf(info, 'values'))) return [previews([info]), values, soon];
  const room = Math.floor(budget / 3 / places.length / valuesSize(info));
  const others = values.length ? reach(place, AROUND).slice(1, Math.max(room, 1)) : [];
  const around = others.map((frame) => [frame, 'values']);
  return [previews([info]), values, soon, around, previews(reach(place, FAR))];
}

/**
 * What is missing, by name, the most urgent first: values that somebody waits for, then what viewports want in turn.
 * `urgent`: worth giving up something else for. @param {State} state @returns {Map<string, Job>}
 */
export function wantedOf(state) {
  const { places, needs, cache, refused, budget } = state;
  /** @type {Map<string, Job>} */
  const jobs = new Map();
  const add = (info, part, window, urgent = false) => {
    const name = nameOf(info, part);
    const held = cache.get(info.key);
    const there = part === 'values' ? held?.values : held?.blob && sameWindow(held.window, window);
    const lost = !urgent && cache.dropped.has(name);
    if (info.kind !== 'image' || there || lost || refused(name) || jobs.has(name)) return;
    jobs.set(name, { info, part, window, urgent });
  };
  const want = (place, info, part, urgent) => {
    if (part === 'preview' && valuesSize(info) > SMALL) {
      // Values are drawn as well as any preview is.
      if (!cache.get(info.key)?.values) add(info, 'preview', place.window, urgent);
    } else if (valuesSize(info) <= budget) add(info, 'values', null, urgent);
  };
  for (const { info, part } of needs.toReversed()) if (part === 'values') add(info, part, null, true);
  const shown = places.filter(({ infos, index }) => infos[index]);
  const tiers = shown.map((place) => tiersOf(place, { ...state, places: shown }));
  for (let tier = 0; tier < Math.max(0, ...tiers.map((own) => own.length)); tier += 1) {
    shown.forEach((place, at) => tiers[at][tier]?.forEach(([info, part]) => want(place, info, part, tier === 0)));
    if (tier === 2) for (const { info, part } of needs) if (part === 'preview') add(info, part, null);
  }
  if (!shown.length) for (const { info, part } of needs) add(info, part, null);
  return jobs;
}
