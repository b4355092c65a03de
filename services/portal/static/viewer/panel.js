// The side panel: window, measurements, playing, and what the analysis found in this file.

import { resultAddress } from '../app/addresses.js';
import { foreseenOrStopped, request, resultPaths } from '../app/api.js';
import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { duration, SPEEDS } from './cine.js';
import { MeasurementTable } from './table.js';
import { WindowSection } from './window-section.js';

const REST = 150; // milliseconds that an image stays before the panel follows
const ASKED = 250; // and before its result is asked for
const FACTS = ['average_before_normalization', 'average_after_normalization', 'std', 'median', 'min', 'max', 'p01', 'p99', 'entropy'];
const NAMES = { average_before_normalization: 'before', average_after_normalization: 'after' };

/** Render anew soon after something moved, at once when something else changed. */
export function useRest(viewing) {
  const [, render] = useState(0);
  useEffect(() => {
    let timer = 0;
    const now = () => {
      clearTimeout(timer);
      timer = 0;
      render((count) => count + 1);
    };
    const soon = () => {
      timer ||= setTimeout(now, REST);
    };
    const stops = [viewing.on(now, ['change']), viewing.on(soon, ['frame', 'pixels'])];
    return () => {
      clearTimeout(timer);
      stops.forEach((stop) => stop());
    };
  }, [viewing]);
}

/** The result of the file in view, once it stays; null while it comes. */
function useFileResult(fileId) {
  const [found, setFound] = useState(/** @type {{of: string, result: any}} */ ({ of: '', result: null }));
  useEffect(() => {
    if (!fileId || found.of === fileId) return undefined;
    const leaving = new AbortController();
    const timer = setTimeout(async () => {
      try {
        setFound({ of: fileId, result: await request(resultPaths(fileId).self, { signal: leaving.signal }) });
      } catch (error) {
        // The image says itself what is wrong with its file.
        if (!foreseenOrStopped(error)) throw error;
      }
    }, ASKED);
    return () => {
      clearTimeout(timer);
      leaving.abort();
    };
  }, [fileId]);
  return found.of === fileId ? found.result : null;
}

/** @param {{viewing: import('./viewing.js').Viewing, run: (command: string, argument?: any) => void}} properties */
export function Panel({ viewing, run }) {
  useRest(viewing);
  const info = viewing.infoOf(viewing.pane);
  const sight = viewing.sights[viewing.active];
  const result = useFileResult(info?.file_id ?? '');
  const ready = sight !== undefined && sight.info === info && info?.kind === 'image';
  return html`
    ${ready && html`<${WindowSection} sight=${sight} result=${result} run=${run} />`}
    <${MeasurementTable} viewing=${viewing} run=${run} />
    ${viewing.countOf(viewing.pane) > 1 && html`<${Cine} viewing=${viewing} info=${info} />`}
    ${info && html`<${FileFacts} info=${info} result=${result} />`}
  `;
}

function Cine({ viewing, info }) {
  const { speed, bounce } = viewing.cine;
  const told = 1000 / duration(info?.frame_times ?? null, (info?.frame ?? 1) - 1, speed);
  const count = Math.round(Math.min(Math.max(told, SPEEDS[0]), SPEEDS[1]));
  const set = (next) => {
    viewing.cine = { ...viewing.cine, ...next };
    viewing.tell();
  };
  return html`<section aria-labelledby="viewer-cine">
    <h2 id="viewer-cine">${t('viewer.cine')}</h2>
    <label class="check"><input type="checkbox" checked=${speed === null} onChange=${(event) => set({ speed: event.currentTarget.checked ? null : count })} /><span>${t('viewer.cine.header')}</span></label>
    <label class="field cine-speed">
      <span>${t('viewer.cine.speed', { count })}</span>
      <input type="range" min=${SPEEDS[0]} max=${SPEEDS[1]} value=${count} onInput=${(event) => set({ speed: Number(event.currentTarget.value) })} />
    </label>
    <label class="check"><input type="checkbox" checked=${bounce} onChange=${(event) => set({ bounce: event.currentTarget.checked })} /><span>${t('viewer.cine.bounce')}</span></label>
  </section>`;
}

function FileFacts({ info, result }) {
  const values = { ...result?.statistics, ...result };
  const facts = FACTS.filter((name) => typeof values[name] === 'number').map((name) => [NAMES[name] ?? name, values[name]]);
  const { mean, unit } = result?.statistics?.modality ?? {};
  if (mean !== undefined) facts.push(['modalityMean', mean, unit]);
  return html`<section aria-labelledby="viewer-file">
    <h2 id="viewer-file">${t('viewer.file')}</h2>
    ${result?.file_name && html`<p class="quiet clip"><bdi>${result.file_name}</bdi></p>`}
    <dl class="viewer-facts">
      ${facts.map(([name, value, of = '']) => html`<div key=${name}><dt>${t(`measures.${name}`)}</dt><dd title=${value}>${`${formatNumber(value)} ${of ?? ''}`.trim()}</dd></div>`)}
    </dl>
    <${LinkButton} kind="small" href=${resultAddress(info.file_id)} label=${t('viewer.header')} icon="file" />
  </section>`;
}
