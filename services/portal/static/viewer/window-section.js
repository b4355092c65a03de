// The window in the panel: over the histogram of the file, as two numbers, by name.

import { t } from '../app/i18n.js';
import { Button } from '../ui/button.js';
import { NumberField } from '../ui/field.js';
import { html } from '../ui/html.js';
import { WindowHistogram } from '../ui/window-histogram.js';
import { movable } from './levels.js';
import { bandOf, histogramOf } from './window-values.js';

/** `result`: of the file in view, or null. @param {{sight: any, result: any, run: (command: string, argument?: any) => void}} properties */
export function WindowSection({ sight, result, run }) {
  const { info, window } = sight;
  if (!window) return null;
  const own = movable(window, info);
  const least = own.function === 'LINEAR' ? 1 : Number.MIN_VALUE; // PS3.3 C.11.2.1.2
  const set = (next) => run('setWindow', { ...own, ...next });
  const band = bandOf(window, info, set);
  const histogram = histogramOf(result, info);
  return html`<section aria-labelledby="viewer-window">
    <h2 id="viewer-window">${t('viewer.window')}</h2>
    ${histogram && html`<${WindowHistogram} histogram=${histogram} window=${band} />`}
    <div class="window-numbers">
      <${NumberField} label=${t('viewer.window.center')} value=${own.center} digits=${band.digits} onChange=${(center) => set({ center })} />
      <${NumberField} label=${t('viewer.window.width')} value=${own.width} digits=${band.digits} onChange=${(width) => width >= least && set({ width })} />
    </div>
    <div class="button-row start">
      <${Button} small label=${t('viewer.window.header')} onClick=${() => run('preset', '0')} />
      <${Button} small label=${t('viewer.window.autoShort')} onClick=${() => run('autoWindow')} />
      <${Button} small label=${t('viewer.window.fullShort')} onClick=${() => run('fullWindow')} />
    </div>
  </section>`;
}
