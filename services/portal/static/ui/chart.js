// Small SVG charts: a filled outline over a scale, with a readout that mouse and arrow keys move.

import { useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { linkSheet } from './sheet.js';

linkSheet(new URL('./chart.css', import.meta.url));

const WIDTH = 1000; // user units; the picture is stretched to its frame
const BASE = 200;
const TOP = 4;
const MOVES = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -16, PageUp: 16, Home: -Infinity, End: Infinity };

/**
 * `heights` (0 to 1, left to right), as bars when `stepped`, else as a line. `ends` are the texts under both ends,
 * `label` the description, `describe(index)` the readout. `children` lie over it; it is drawn quietly below them.
 * @param {{heights: number[], stepped: boolean, ends: string[], label: string, describe: (index: number) => string, children?: any}} properties
 */
export function Chart({ heights, stepped, ends, label, describe, children = null }) {
  const [at, setAt] = useState(/** @type {number | null} */ (null));
  const count = heights.length;
  const index = Math.min(at ?? 0, count - 1);
  const show = (next) => setAt(Math.min(Math.max(next, 0), count - 1));
  const onPointerMove = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    show(Math.floor(((event.clientX - box.left) / box.width) * count));
  };
  const onKeyDown = (event) => {
    if (!(event.key in MOVES)) return;
    event.preventDefault();
    show(index + MOVES[event.key]);
  };
  const x = centre(index, count, stepped);
  return html`<div class="chart-box">
    <div class=${`chart-plot${children ? ' below' : ''}`} onPointerMove=${onPointerMove}>
      <div
        class="chart-frame"
        role="slider"
        tabindex="0"
        aria-label=${label}
        aria-valuemin="0"
        aria-valuemax=${count - 1}
        aria-valuenow=${index}
        aria-valuetext=${describe(index)}
        onFocus=${() => show(index)}
        onKeyDown=${onKeyDown}
      >
        <svg class="chart" viewBox=${`0 0 ${WIDTH} ${BASE}`} preserveAspectRatio="none" aria-hidden="true">
          <path class=${stepped ? 'chart-bars' : 'chart-line'} d=${stepped ? bars(heights) : line(heights)} />
          <line class="chart-axis" x1="0" x2=${WIDTH} y1=${BASE} y2=${BASE} />
          ${at !== null && html`<line class="chart-cursor" x1=${x} x2=${x} y1=${TOP} y2=${BASE} />`}
        </svg>
      </div>
      ${children}
    </div>
    <div class="chart-ends">${ends.map((end) => html`<span>${end}</span>`)}</div>
    <output class="chart-readout">${at === null ? '' : describe(index)}</output>
  </div>`;
}

function centre(index, count, stepped) {
  if (stepped) return ((index + 0.5) * WIDTH) / count;
  return count > 1 ? (index * WIDTH) / (count - 1) : WIDTH / 2;
}

function y(height) {
  return (BASE - height * (BASE - TOP)).toFixed(1);
}

function bars(heights) {
  const step = WIDTH / heights.length;
  const outline = heights.map((height, index) => `V${y(height)}H${((index + 1) * step).toFixed(2)}`);
  return `M0 ${BASE}${outline.join('')}V${BASE}Z`;
}

function line(heights) {
  return heights
    .map((height, index) => `${index ? 'L' : 'M'}${centre(index, heights.length, false).toFixed(2)} ${y(height)}`)
    .join('');
}
