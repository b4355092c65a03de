// A window over a histogram: a band with its two ends, that mouse, fingers and arrow keys move.

import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { useRef } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./window-band.css', import.meta.url));

const STEPS = 200; // presses of an arrow from one end of the histogram to the other
const LEAST = 10_000; // as many windows beside each other fill the histogram: narrower ones nobody can take hold of

/**
 * `low` and `high`: the window, in the values of the histogram that it lies over; `digits`: decimals that are told.
 * @typedef {{low: number, high: number, unit?: string, digits?: number, onChange: (low: number, high: number) => void}} Window
 */

/** Over the whole of the element that it is put into. @param {Window & {min: number, max: number}} properties */
export function WindowBand({ min, max, low, high, unit = '', digits = 2, onChange }) {
  const frame = useRef(/** @type {HTMLDivElement} */ (null));
  const held = useRef(0); // how far from the end's own place the pointer took hold
  const span = max - min || 1;
  const inside = (value) => Math.min(Math.max(value, min), max);
  const share = (value) => ((inside(value) - min) / span) * 100;
  const centre = (low + high) / 2;
  // An end that meets the other one pushes it.
  const put = {
    low: (value) => onChange(value, Math.max(high, value + span / LEAST)),
    band: (value) => onChange(value - (high - low) / 2, value + (high - low) / 2),
    high: (value) => onChange(Math.min(low, value - span / LEAST), value),
  };
  const onPointer = (part, value) => (event) => {
    const box = frame.current.getBoundingClientRect();
    const at = min + ((event.clientX - box.left) / box.width) * span;
    if (event.type === 'pointerdown') {
      event.currentTarget.setPointerCapture(event.pointerId);
      held.current = at - inside(value);
    } else if (event.currentTarget.hasPointerCapture(event.pointerId)) put[part](inside(at - held.current));
  };
  const onKey = (part, value) => (event) => {
    const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    const to = { Home: min, End: max }[event.key] ?? (way && value + (way * (event.shiftKey ? 10 : 1) * span) / STEPS);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    put[part](to);
  };
  const told = (value) => `${formatNumber(value, digits)} ${unit}`.trim();
  const slider = (part, value, text, style) => html`<div
    class=${`window-${part}`}
    role="slider"
    tabindex="0"
    aria-label=${t(`histogram.${part}`)}
    aria-valuemin=${min}
    aria-valuemax=${max}
    aria-valuenow=${inside(value)}
    aria-valuetext=${text}
    style=${style}
    onPointerDown=${onPointer(part, value)}
    onPointerMove=${onPointer(part, value)}
    onKeyDown=${onKey(part, value)}
  ></div>`;
  return html`<div class="window-over" ref=${frame}>
    ${slider('band', centre, t('histogram.fromTo', { low: formatNumber(low, digits), high: told(high) }), { left: `${share(low)}%`, right: `${100 - share(high)}%` })}
    ${slider('low', low, told(low), { left: `${share(low)}%` })} ${slider('high', high, told(high), { left: `${share(high)}%` })}
  </div>`;
}
