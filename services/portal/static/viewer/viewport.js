// One viewport: the image of a stack with what lies over it, and everything that keys, mouse and fingers do there.

import { announce } from '../app/announce.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { Corners, valueText } from './corners.js';
import { createDrawing } from './drawing.js';
import { sizeOf, viewOf } from './geometry.js';
import { defaultWindow } from './levels.js';
import { pointsOf } from './measurements.js';
import { commandOf } from './shortcuts.js';
import { Failed } from './troubles.js';

const SETTLED = 250; // milliseconds that a window stays before previews are asked for with it
const SAID = 700; // milliseconds of rest before the value is said aloud
const TOGETHER = 1200; // between `g` and the letter of a page

/** Render anew when an image, a window or a point changes. */
export function useFrames(viewing) {
  const [, render] = useState(0);
  useEffect(() => {
    return viewing.on(() => render((count) => count + 1));
  }, [viewing]);
}

/** CSS pixels of an element, followed. */
function useBox(element) {
  const [box, setBox] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const measure = () => setBox({ width: element.current.clientWidth, height: element.current.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element.current);
    measure();
    return () => observer.disconnect();
  }, []);
  return box;
}

/** The same geometry with (0, 0) in the middle of the viewport, in CSS pixels; `scale` is of the screen's own pixels. */
function sightOf(pane, info, box, ratio) {
  const view = viewOf({ ...pane, zoom: pane.fit ? pane.zoom : pane.zoom / ratio }, sizeOf(info), box);
  const [x, y] = [box.width / 2, box.height / 2];
  return {
    scale: view.scale * ratio,
    toImage: (left, top) => view.toImage(left + x, top + y),
    toScreen: (column, row) => {
      const [left, top] = view.toScreen(column, row);
      return [left - x, top - y];
    },
  };
}

/** `parts`: what comes after the first image, or null. @param {{viewing: import('./viewing.js').Viewing, at: number, study: any, parts: any, onCommand: (command: string, argument: any) => boolean}} properties */
export function Viewport({ viewing, at, study, parts, onCommand }) {
  useFrames(viewing);
  const frame = useRef(/** @type {HTMLDivElement} */ (null));
  const canvas = useRef(/** @type {HTMLCanvasElement} */ (null));
  const drawing = useRef(/** @type {any} */ (null));
  const box = useBox(frame);
  const led = useRef(-TOGETHER); // when `g` was pressed
  const pointer = useRef(/** @type {import('./pointer.js').Pointer | null} */ (null));
  const pane = viewing.panes[at];
  const held = viewing.heldBy(pane);
  const info = viewing.infoOf(pane);
  const count = viewing.countOf(pane);
  const image = info?.kind === 'image' || info?.kind === 'refused';
  const ratio = window.devicePixelRatio || 1;
  const drawable = info?.kind === 'image' && info.rows > 0 && info.columns > 0;
  const loaded = drawable ? viewing.loader.get(info) : {};
  const values = loaded.values ?? null;
  const level = drawable ? (pane.window ?? defaultWindow(info, values)) : null;
  const view = drawable && box.width > 0 ? sightOf(pane, info, box, ratio) : null;
  const snapshot = () => {
    drawing.current.made.redraw(); // a canvas of WebGL is empty after it was shown
    return canvas.current;
  };
  const sight = { view, window: level, info, values, snapshot: drawable ? snapshot : null };
  viewing.sights[at] = sight;

  useLayoutEffect(() => {
    if (parts === null) return undefined;
    pointer.current = new parts.Pointer(viewing, at, frame.current);
    const element = frame.current;
    const wheel = (event) => pointer.current.wheel(event);
    element.addEventListener('wheel', wheel, { passive: false });
    return () => element.removeEventListener('wheel', wheel);
  }, [viewing, at, parts]);
  useEffect(() => () => drawing.current?.made.dispose(), []);
  useLayoutEffect(() => {
    if (canvas.current === null || box.width === 0) return;
    const size = { width: Math.round(box.width * ratio), height: Math.round(box.height * ratio) };
    if (canvas.current.width !== size.width) canvas.current.width = size.width;
    if (canvas.current.height !== size.height) canvas.current.height = size.height;
    if (drawing.current?.on !== canvas.current) {
      drawing.current?.made.dispose(); // an object without pixels was shown in between
      drawing.current = { on: canvas.current, made: createDrawing(canvas.current) };
    }
    const state = { ...pane, pan: pane.pan.map((way) => way * ratio) };
    const picture = { info, values, preview: loaded.preview ?? null, window: level, invert: pane.invert };
    drawing.current.made.draw(drawable ? { ...picture, view: viewOf(state, sizeOf(info), size) } : null);
    canvas.current.dataset.shown = values ? 'values' : loaded.preview ? 'preview' : 'nothing';
    canvas.current.dataset.image = String(pane.index + 1);
  });
  const [ofPreviews, setOfPreviews] = useState(pane.window);
  useEffect(() => {
    const timer = setTimeout(() => setOfPreviews(pane.window), SETTLED);
    return () => clearTimeout(timer);
  }, [pane.window]);
  useLayoutEffect(() => viewing.prepare(at, ofPreviews), [pane.series, pane.group, pane.index, held.stack, ofPreviews]);

  const text = count === 0 ? '' : valueText(pane, count, level, info);
  const mine = at === viewing.active;
  useEffect(() => {
    if (!mine || count === 0 || document.activeElement !== frame.current) return undefined;
    const timer = setTimeout(() => announce(text), SAID);
    return () => clearTimeout(timer);
  }, [text, mine]);

  const onKey = (event) => {
    if (event.target !== frame.current) return;
    const followed = event.timeStamp - led.current < TOGETHER;
    led.current = event.key === 'g' ? event.timeStamp : -TOGETHER;
    const command = commandOf(event, pointsOf(viewing.tool) > 0);
    if (command === null || followed) return;
    if (!onCommand(command[0], command[1])) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const series = study.series.find((one) => one.series_instance_uid === pane.series);
  const name = series?.series_description || t('viewer.viewport');
  const id = `viewport-${at}`;
  const over = (event) => event.target.closest('.viewport-aside') !== null;
  return html`<div
    class=${`viewport tool-${viewing.tool}`}
    ref=${frame}
    id=${id}
    role="group"
    tabindex="0"
    aria-label=${t('viewer.viewportOf', { name })}
    aria-describedby=${`${id}-value`}
    data-active=${String(mine)}
    data-image=${pane.index + 1}
    onFocus=${(event) => event.target === frame.current && viewing.activate(at)}
    onKeyDown=${onKey}
    onPointerDown=${(event) => image && !over(event) && pointer.current?.down(event)}
    onPointerMove=${(event) => image && pointer.current?.move(event)}
    onPointerUp=${(event) => pointer.current?.up(event)}
    onPointerCancel=${(event) => pointer.current?.cancel(event)}
    onContextMenu=${(event) => event.preventDefault()}
  >
    <span id=${`${id}-value`} class="visually-hidden">${text}</span>
    ${held.phase === 'loading' && html`<${Skeleton} />`}
    ${held.phase === 'error' && html`<div class="viewport-aside"><${ErrorState} error=${held.error} retry=${() => viewing.stacks.again(pane.series, pane.order)} /></div>`}
    ${held.phase === 'ready' && info === null && html`<p class="viewport-note waiting">${t('viewer.nothing')}</p>`}
    ${image && html`<canvas ref=${canvas} aria-hidden="true"></canvas>`}
    ${parts && image && view && viewing.overlay && html`<${parts.Overlay} viewing=${viewing} at=${at} sight=${sight} box=${box} />`}
    ${parts && info && !image && html`<${parts.WithoutPixels} key=${info.file_id} info=${info} />`}
    ${image && html`<${Failed} info=${info} error=${values || loaded.preview ? null : (loaded.error ?? null)} drawn=${drawable} retry=${() => viewing.loader.retry(info)} />`}
    ${drawable && !values && !loaded.preview && !loaded.error && html`<p class="viewport-note waiting late">${t('app.loading')}</p>`}
    ${viewing.overlay && held.phase === 'ready' && html`<${Corners} study=${study} viewing=${viewing} pane=${pane} sight=${sight} />`}
    ${count > 1 &&
    html`<input
      class="viewport-slider viewport-aside"
      type="range"
      min="1"
      max=${count}
      value=${pane.index + 1}
      aria-label=${t('viewer.slider')}
      aria-valuetext=${t('viewer.imageOf', { number: pane.index + 1, count })}
      onInput=${(event) => {
        viewing.activate(at);
        viewing.show(Number(event.currentTarget.value) - 1, at);
      }}
    />`}
  </div>`;
}
