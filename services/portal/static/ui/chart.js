// Small SVG charts: a filled outline over a scale, with a readout that mouse and arrow keys move.

import { el, svg } from './dom.js';

const WIDTH = 1000; // user units; the picture is stretched to its frame
const BASE = 200;
const TOP = 4;

/**
 * A `<figure>` of `heights` (0 to 1, left to right). `stepped` draws bars, else a line.
 * `ends` are the texts under both ends, `label` the description, `describe(index)` the readout.
 */
export function chart({ heights, stepped, ends, label, describe }) {
  const readout = el('output', { class: 'chart-readout' });
  const cursor = svg('line', { class: 'chart-cursor', y1: TOP, y2: BASE, visibility: 'hidden' });
  const picture = svg(
    'svg',
    { class: 'chart', viewBox: `0 0 ${WIDTH} ${BASE}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('path', { class: stepped ? 'chart-bars' : 'chart-line', d: stepped ? bars(heights) : line(heights) }),
    svg('line', { class: 'chart-axis', x1: 0, x2: WIDTH, y1: BASE, y2: BASE }),
    cursor,
  );
  const slider = el(
    'div',
    {
      class: 'chart-frame',
      role: 'slider',
      tabindex: 0,
      'aria-label': label,
      'aria-valuemin': 0,
      'aria-valuemax': heights.length - 1,
      'aria-valuenow': 0,
    },
    picture,
  );
  const show = (index) => {
    const x = centre(index, heights.length, stepped);
    cursor.setAttribute('x1', x);
    cursor.setAttribute('x2', x);
    cursor.setAttribute('visibility', 'visible');
    readout.textContent = describe(index);
    slider.setAttribute('aria-valuenow', index);
    slider.setAttribute('aria-valuetext', readout.textContent);
  };
  slider.setAttribute('aria-valuetext', describe(0));
  listen(slider, heights.length, show);
  return el(
    'div',
    { class: 'chart-box' },
    slider,
    el(
      'div',
      { class: 'chart-ends' },
      ends.map((end) => el('span', {}, end)),
    ),
    readout,
  );
}

function listen(slider, count, show) {
  const clamp = (index) => Math.min(Math.max(index, 0), count - 1);
  const moves = {
    ArrowLeft: -1,
    ArrowDown: -1,
    ArrowRight: 1,
    ArrowUp: 1,
    PageDown: -16,
    PageUp: 16,
    Home: -Infinity,
    End: Infinity,
  };
  slider.addEventListener('pointermove', (event) => {
    const box = slider.getBoundingClientRect();
    show(clamp(Math.floor(((event.clientX - box.left) / box.width) * count)));
  });
  slider.addEventListener('focus', () => show(Number(slider.getAttribute('aria-valuenow'))));
  slider.addEventListener('keydown', (event) => {
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(clamp(Number(slider.getAttribute('aria-valuenow')) + moves[event.key]));
  });
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
    .map(
      (height, index) =>
        `${index ? 'L' : 'M'}${centre(index, heights.length, false).toFixed(2)} ${y(height)}`,
    )
    .join('');
}
