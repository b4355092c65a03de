// How the parts of the viewer stand: head and tools above, series at the left, viewports, panel at the right.
// On narrow screens series and panel are sheets that come up from the bottom.

import { t } from '../app/i18n.js';
import { setPageKeys } from '../app/keys.js';
import { toast } from '../app/toasts.js';
import { useEvent } from '../app/hooks.js';
import { IconButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { duration, following, Player } from './cine.js';
import { act } from './commands.js';
import { auto, full } from './levels.js';
import { Strip } from './strip.js';
import { Toolbar } from './toolbar.js';
import { troubleText } from './troubles.js';
import { Viewport } from './viewport.js';

const AHEAD = 12; // images

/** Playing the active viewport. */
function useCine(viewing) {
  const [playing, setPlaying] = useState(false);
  const direction = useRef(1);
  const player = useRef(/** @type {Player} */ (null));
  player.current ??= new Player(
    () => duration(viewing.infoOf(viewing.pane)?.frame_times ?? null, frameOf(viewing), viewing.cine.speed),
    () => {
      const { index } = viewing.pane;
      const next = following(index, viewing.countOf(viewing.pane), direction.current, viewing.cine.bounce);
      direction.current = next.direction;
      warm(viewing, index);
      if (next.index !== index) viewing.show(next.index);
    },
  );
  useEffect(() => () => player.current.stop(), []);
  const toggle = () => {
    if (player.current.running) player.current.stop();
    else player.current.start();
    setPlaying(player.current.running);
  };
  return { playing, toggle };
}

// Before it starts again from the first image, the first ones are made ready: they may be long out of sight.
function warm(viewing, index) {
  const start = index + AHEAD - viewing.countOf(viewing.pane);
  const info = start >= 0 && start < index && !viewing.cine.bounce ? viewing.infoOf(viewing.pane, start) : null;
  if (info?.kind === 'image') viewing.loader.needPreview(info).catch(() => null); // it is asked for again when it is shown
}

function frameOf(viewing) {
  return (viewing.infoOf(viewing.pane)?.frame ?? 1) - 1;
}

/** The parts that come after the first image (later.js); null until then. @returns {any} */
function useParts(viewing) {
  const [parts, setParts] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let asked = false;
    const load = () => {
      if (asked) return;
      asked = true;
      import('./later.js').then(
        (module) => setParts(module.parts),
        () => {
          asked = false; // the next thing that happens asks again
        },
      );
    };
    const seen = () => {
      const info = viewing.infoOf(viewing.pane);
      const { preview, values, error } = info === null ? /** @type {any} */ ({}) : viewing.loader.get(info);
      if (preview || values || error || (info !== null && info.kind !== 'image')) load();
    };
    seen();
    return viewing.on(seen);
  }, [viewing, parts === null]);
  return parts;
}

/** @param {{viewing: import('./viewing.js').Viewing, study: any, head: any}} properties */
export function Layout({ viewing, study, head }) {
  useEvent(viewing, 'change');
  const whole = useRef(/** @type {HTMLDivElement} */ (null));
  const [sheet, setSheet] = useState(/** @type {'series' | 'panel' | null} */ (null));
  const { playing, toggle } = useCine(viewing);
  const parts = useParts(viewing);
  useEffect(() => (parts === null ? undefined : setPageKeys(() => [t('viewer.inViewer'), parts.keyList(t)])), [parts]);

  const ofValues = async (make) => {
    const info = viewing.infoOf(viewing.pane);
    if (info?.kind !== 'image' || info.values === 'rgb8') return;
    try {
      act(viewing, 'setWindow', make(await viewing.loader.need(info), info));
    } catch (error) {
      if (error.name === 'AbortError') return;
      toast(troubleText(error), 'bad');
    }
  };
  const ours = {
    cine: toggle,
    fullscreen: () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else if (document.fullscreenEnabled) whole.current.requestFullscreen();
    },
    picture: () => parts?.savePicture(viewing, study),
    autoWindow: () => ofValues(auto),
    fullWindow: () => ofValues(full),
    linked: () => {
      viewing.linked = !viewing.linked;
      viewing.tell();
    },
  };
  const run = (command, argument = undefined) => {
    if (!(command in ours)) return act(viewing, command, argument);
    ours[command]();
    return true;
  };
  const close = () => setSheet(null);
  const toggleSheet = (name) => setSheet(sheet === name ? null : name);
  const onKey = (event) => {
    if (event.key !== 'Escape' || sheet === null || event.defaultPrevented) return;
    close();
    event.preventDefault();
  };
  const more = [
    { label: t('viewer.overlay'), kind: /** @type {const} */ ('check'), checked: viewing.overlay, onSelect: () => run('overlay') },
    ...(document.fullscreenEnabled ? [{ label: t('viewer.fullscreen'), icon: 'fullscreen', onSelect: () => run('fullscreen') }] : []),
    { label: t('viewer.picture'), icon: 'download', onSelect: () => run('picture') },
  ];
  const hide = (name) => html`<${IconButton} class="sheet-close" label=${t('dialog.close')} icon="close" onClick=${close} data-of=${name} />`;
  return html`<div class="viewer" ref=${whole} data-sheet=${sheet ?? 'none'} onKeyDown=${onKey}>
    <div class="viewer-bar" data-region>
      ${head}
      <${Toolbar} viewing=${viewing} run=${run} playing=${playing} sheet=${sheet} onSheet=${toggleSheet} more=${more} />
    </div>
    <nav class="viewer-strip" data-region aria-label=${t('viewer.series')}>
      ${hide('series')}<${Strip} viewing=${viewing} study=${study} onChoose=${close} />
    </nav>
    <div class=${`viewer-ports of-${viewing.panes.length}`} data-region>
      ${viewing.panes.map((_, at) => html`<${Viewport} key=${at} viewing=${viewing} at=${at} study=${study} parts=${parts} onCommand=${run} />`)}
    </div>
    <aside class="viewer-panel" data-region aria-label=${t('viewer.panel')}>
      ${hide('panel')}${parts && html`<${parts.Panel} viewing=${viewing} run=${run} />`}
    </aside>
  </div>`;
}
