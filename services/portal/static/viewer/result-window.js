// The image of one result, drawn from its values with a window that can be moved: by the page, by dragging, by keys.

import { useEvent } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState } from '../vendor/hooks.mjs';
import { usualBudget } from './cache.js';
import { windowText } from './corners.js';
import { createDrawing } from './drawing.js';
import { valuesSize } from './frame-requests.js';
import { sizeOf, viewOf } from './geometry.js';
import { defaultWindow, movable } from './levels.js';
import { Loader } from './loader.js';
import { stepped } from './pane.js';
import { commandOf } from './shortcuts.js';
import { infosOf, placeOf, Stacks } from './stacks.js';
import { troubleText } from './troubles.js';
import { bandOf, histogramOf } from './window-values.js';

linkSheet(new URL('./result-window.css', import.meta.url));

const SIDE = 512; // of the canvas, pixels at most

/**
 * `instead`: the picture that the server renders, for what cannot be drawn here.
 * `onWindow` is told, each time that it changes, what the page's histogram shows; null where nothing does.
 * @param {{result: any, instead?: any, onWindow: (over: {histogram: any, window: import('../ui/window-band.js').Window, same: boolean} | null) => void}} properties
 */
export function ResultWindow({ result, instead = null, onWindow }) {
  const id = useId(); // of what the window is
  const series = result.series_instance_uid;
  const [, render] = useReducer((count) => count + 1, 0);
  const stacks = useMemo(() => new Stacks(result.collection), []);
  const loader = useMemo(() => new Loader(), []);
  loader.onchange = () => render(undefined);
  const [chosen, choose] = useState(/** @type {import('./levels.js').Window | null} */ (null));
  useEvent(stacks, 'change');
  useEffect(() => () => {
    stacks.stop();
    loader.dispose();
  }, []);
  const held = stacks.of(series);
  const place = held.stack === null ? null : placeOf(held.stack, result.file_id);
  const found = place === null ? null : infosOf(held, place.group)[place.index];
  const info = drawable(found) ? found : null;
  useEffect(() => {
    loader.show(info === null ? [] : [info], 0);
  }, [info]);
  const { values = null, error = null } = info === null ? {} : loader.get(info);
  const first = useMemo(() => (values === null ? null : defaultWindow(info, values)), [info, values]);
  const window = values === null ? null : (chosen ?? first);
  useLayoutEffect(() => {
    const histogram = window && histogramOf(result, info);
    onWindow(histogram && { histogram, window: bandOf(window, info, choose), same: info.slope === 1 && info.intercept === 0 && !info.unit });
  }, [result, info, window]);
  if (held.phase === 'error') return html`<${ErrorState} error=${held.error} retry=${() => stacks.again(series)} />`;
  if (held.phase === 'ready' && info === null) return html`<${Instead} picture=${instead} />`;
  const again = () => {
    loader.retry(info);
    render(undefined);
  };
  if (error !== null && values === null) return html`<${ErrorState} error=${error} text=${troubleText(error)} retry=${again} />`;
  if (values === null) return html`<${Skeleton} />`;
  return html`<${Drawn} info=${info} values=${values} window=${window} label=${t('result.imageAlt', { name: result.file_name })} said=${id} onChange=${choose} />
    ${window !== null &&
    html`<div class="drawn-window">
      <p class="quiet" id=${id} role="status">${windowText(window, info)}</p>
      <${Button} small label=${t('viewer.reset')} icon="retry" onClick=${() => choose(null)} />
    </div>`}
    <p class="quiet">${window !== null && `${t('viewer.window.hint')} `}${t('viewer.notDiagnostic')}.</p>`;
}

// A stack ends somewhere, and leaves out what is not processed or is no image; some images are more than a browser holds.
function drawable(info) {
  return info !== null && info.kind === 'image' && valuesSize(info) <= usualBudget();
}

function Instead({ picture }) {
  const said = useRef(/** @type {HTMLParagraphElement} */ (null));
  useEffect(() => focusUnlessElsewhere(said.current), []);
  return html`${picture}<p class="notice" role="status" tabindex="-1" ref=${said}>${t('viewer.notDrawn')}</p>`;
}

// The button that asked for it is gone.
function focusUnlessElsewhere(element) {
  if (document.activeElement === document.body) element?.focus({ preventScroll: true });
}

/** Sideways a drag changes the width, up and down the centre, as in the viewer. */
function useDrag(window, info, onChange) {
  const held = useRef(/** @type {any} */ (null));
  return {
    onPointerDown: (event) => {
      event.currentTarget.setPointerCapture(event.pointerId);
      held.current = { x: event.clientX, y: event.clientY, window: movable(window, info) };
    },
    onPointerMove: ({ currentTarget, pointerId, clientX, clientY }) => {
      const { x, y, window: from } = held.current ?? {};
      if (currentTarget.hasPointerCapture(pointerId)) onChange(stepped(from, (clientY - y) / 2, (clientX - x) / 2));
    },
    onKeyDown: (event) => {
      const [command, by] = commandOf(event, false) ?? [];
      if (command !== 'window') return;
      event.preventDefault();
      onChange(stepped(movable(window, info), by.center, by.width));
    },
  };
}

/** `said`: id of the element that says what the window is. */
function Drawn({ info, values, window, label, said, onChange }) {
  const frame = useRef(/** @type {HTMLDivElement} */ (null));
  const canvas = useRef(/** @type {HTMLCanvasElement} */ (null));
  const drawing = useRef(/** @type {any} */ (null));
  const drag = useDrag(window, info, onChange);
  const { columns, rows, aspect } = sizeOf(info);
  const scale = SIDE / Math.max(columns, rows * aspect);
  const size = { width: Math.round(columns * scale), height: Math.round(rows * aspect * scale) };
  useEffect(() => {
    focusUnlessElsewhere(frame.current);
    return () => drawing.current?.dispose();
  }, []);
  useLayoutEffect(() => {
    drawing.current ??= createDrawing(canvas.current);
    drawing.current.draw({ info, values, preview: null, window, invert: false, view: viewOf({}, sizeOf(info), size) });
  }, [info, values, window]);
  const picture = html`<canvas class="preview drawn" ref=${canvas} width=${size.width} height=${size.height} role="img" aria-label=${label}></canvas>`;
  if (window === null) return picture;
  return html`<div
    class="drawn-frame"
    ref=${frame}
    role="group"
    tabindex="0"
    aria-label=${t('viewer.window')}
    aria-describedby=${said}
    aria-keyshortcuts="Control+ArrowUp Control+ArrowDown Control+ArrowLeft Control+ArrowRight"
    ...${drag}
  >
    ${picture}
  </div>`;
}
