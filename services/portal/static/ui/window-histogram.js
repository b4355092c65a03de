// How often values occur, with a window over them: small, for the side of an image.

import { formatNumber } from '../app/format.js';
import { useMemo } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { linkSheet } from './sheet.js';
import { WindowBand } from './window-band.js';

linkSheet(new URL('./window-histogram.css', import.meta.url));

const HIGH = 100; // user units; the picture is stretched to its frame

/**
 * `counts` are of equal bins from `min` to `max`; the window is in the same values.
 * @param {{histogram: {counts: number[], min: number, max: number}, window: import('./window-band.js').Window}} properties
 */
export function WindowHistogram({ histogram: { counts, min, max }, window }) {
  const outline = useMemo(() => {
    const top = Math.log1p(Math.max(...counts)) || 1;
    const bars = counts.map((count, bin) => `V${(HIGH - (Math.log1p(count) / top) * HIGH).toFixed(1)}H${bin + 1}`);
    return `M0 ${HIGH}${bars.join('')}V${HIGH}Z`;
  }, [counts]);
  return html`<div class="window-histogram">
    <div class="window-frame">
      <svg viewBox=${`0 0 ${counts.length} ${HIGH}`} preserveAspectRatio="none" aria-hidden="true"><path d=${outline} /></svg>
      <${WindowBand} min=${min} max=${max} ...${window} />
    </div>
    <div class="window-ends"><span>${formatNumber(min, 1)}</span><span>${`${formatNumber(max, 1)} ${window.unit ?? ''}`.trim()}</span></div>
  </div>`;
}
