// The tools: as buttons where there is room, behind menus where there is not.

import { t } from '../app/i18n.js';
import { IconButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Menu } from '../ui/menu.js';
import { useEvent } from '../app/hooks.js';
import { windowText } from './corners.js';
import { useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { presetsOf } from './presets.js';
import { LAYOUTS } from './viewing.js';

const TOOLS = [
  { tool: 'scroll', icon: 'studies', key: '' },
  { tool: 'window', icon: 'contrast', key: 'w' },
  { tool: 'zoom', icon: 'zoom', key: 'z' },
  { tool: 'pan', icon: 'move', key: 'p' },
  { tool: 'probe', icon: 'probe', key: 'v' },
  { tool: 'length', icon: 'ruler', key: 'd' },
  { tool: 'angle', icon: 'angle', key: 'a' },
  { tool: 'rectangle', icon: 'rectangle', key: 't' },
  { tool: 'ellipse', icon: 'ellipse', key: 'e' },
];
/** @type {{command: string, argument?: any, icon: string, label: string, key: string}[]} */
const CHANGES = [
  { command: 'invert', icon: 'invert', label: 'viewer.invert', key: 'i' },
  { command: 'rotate', argument: -90, icon: 'rotate-left', label: 'viewer.rotateLeft', key: 'l' },
  { command: 'rotate', argument: 90, icon: 'rotate-right', label: 'viewer.rotateRight', key: 'r' },
  { command: 'flip', argument: false, icon: 'flip', label: 'viewer.flipH', key: 'h' },
  { command: 'flip', argument: true, icon: 'flip-vertical', label: 'viewer.flipV', key: 'b' },
  { command: 'fit', icon: 'fit', label: 'viewer.fit', key: '=' },
  { command: 'actual', icon: 'actual', label: 'viewer.actual', key: '' },
  { command: 'reset', icon: 'retry', label: 'viewer.reset', key: '␣' },
];

const named = (label, key) => (key ? `${label} (${key})` : label);

/** Windows with a name that the image in view may have; those of the header say their numbers. @returns {{label: string, window: any}[]} */
export function windowChoices(info) {
  if (!info || info.kind !== 'image') return [];
  const all = presetsOf(info).map(({ name, title, window }) => {
    const label = title || t(`viewerPreset.${name}`);
    return { label: name === 'header' ? `${label} · ${windowText(window, info)}` : label, window };
  });
  return all.filter(({ label }, index) => all.findIndex((one) => one.label === label) === index);
}

/** The buttons that can be walked to. @param {HTMLElement} bar @returns {HTMLElement[]} */
function stopsOf(bar) {
  const all = /** @type {HTMLElement[]} */ ([...bar.querySelectorAll('button:not([disabled])')]);
  return all.filter((button) => button.getClientRects().length > 0 && button.closest('[role="menu"]') === null);
}

function walk(event) {
  if (event.target.closest('[role="menu"]')) return;
  const all = stopsOf(event.currentTarget);
  const at = all.indexOf(event.target);
  const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[event.key];
  if (next === undefined || at < 0) return;
  all.at(next % all.length).focus();
  event.preventDefault();
}

/** One tab stop, at the button that had the focus last; arrows walk. */
function useOneStop(bar) {
  const last = useRef(/** @type {HTMLElement | null} */ (null));
  const mark = () => {
    const all = stopsOf(bar.current);
    const stop = all.includes(last.current) ? last.current : all[0];
    for (const button of all) button.tabIndex = button === stop ? 0 : -1;
  };
  useLayoutEffect(() => {
    mark();
    // Other buttons stand there when it gets wide or narrow.
    const observer = new ResizeObserver(mark);
    observer.observe(bar.current);
    return () => observer.disconnect();
  });
  return ({ target }) => {
    if (!stopsOf(bar.current).includes(target)) return;
    last.current = target;
    mark();
  };
}

/**
 * `run(command, argument)` acts on the active viewport; `playing`: whether the cine runs; `more`: further entries of the
 * last menu.
 */
export function Toolbar({ viewing, run, playing, sheet, onSheet, more }) {
  useEvent(viewing, 'change');
  const bar = useRef(/** @type {HTMLDivElement} */ (null));
  const onFocus = useOneStop(bar);
  const { tool, pane } = viewing;
  const info = viewing.infoOf(pane);
  const many = viewing.countOf(pane) > 1;
  const tools = TOOLS.map((one) => ({ ...one, label: t(`viewerTool.${one.tool}`) }));
  const current = tools.find((one) => one.tool === tool);
  const groups = viewing.heldBy(pane).stack?.groups ?? [];
  const orders = groups[pane.group]?.orders ?? [];
  const layouts = LAYOUTS.map((count) => ({ label: t(`viewerLayout.${count}`), group: t('viewer.layout'), checked: viewing.panes.length === count, onSelect: () => viewing.arrange(count) }));
  const linked = { label: t('viewer.linked'), group: t('viewer.layout'), kind: /** @type {const} */ ('check'), checked: viewing.linked, onSelect: () => run('linked') };
  const order = orders.length > 1 ? orders.map((name) => ({ label: t(`viewerOrder.${name}`), group: t('viewer.order'), checked: groups[pane.group].order === name, onSelect: () => viewing.order(name) })) : [];
  const changes = CHANGES.map(({ command, argument, icon, label, key }) => ({ label: named(t(label), key), icon, group: t('viewer.image'), onSelect: () => run(command, argument) }));
  const windows = [
    ...windowChoices(info).map(({ label, window }) => ({ label, onSelect: () => run('setWindow', window) })),
    { label: t('viewer.window.own'), onSelect: () => run('preset', '0') },
    { label: t('viewer.window.auto'), onSelect: () => run('autoWindow') },
    { label: t('viewer.window.full'), onSelect: () => run('fullWindow') },
  ];
  return html`<div class="viewer-tools" ref=${bar} onFocusIn=${onFocus} role="toolbar" aria-label=${t('viewer.tools')} aria-orientation="horizontal" onKeyDown=${walk}>
    <${IconButton} class="narrow" label=${t('viewer.series')} icon="folder" aria-expanded=${String(sheet === 'series')} onClick=${() => onSheet('series')} />
    <div class="tool-group wide" role="group" aria-label=${t('viewer.tools')}>
      ${tools.map((one) => html`<${IconButton} key=${one.tool} label=${named(one.label, one.key)} icon=${one.icon} aria-pressed=${String(one.tool === tool)} onClick=${() => run('tool', one.tool)} />`)}
    </div>
    <div class="narrow">
      <${Menu} label=${t('viewer.tools')} button=${html`<${Icon} name=${current.icon} /><span class="visually-hidden">${t('viewer.toolNow', { name: current.label })}</span>`}
        items=${tools.map((one) => ({ label: one.label, icon: one.icon, kind: /** @type {const} */ ('radio'), checked: one.tool === tool, onSelect: () => run('tool', one.tool) }))} />
    </div>
    <${Menu} label=${t('viewer.window')} button=${html`<${Icon} name="levels" /><span class="wide">${t('viewer.window')}</span><span class="visually-hidden narrow">${t('viewer.window')}</span>`} items=${windows} />
    <div class="tool-group wide" role="group" aria-label=${t('viewer.image')}>
      ${CHANGES.map(({ command, argument, icon, label, key }) => html`<${IconButton} key=${label} label=${named(t(label), key)} icon=${icon} aria-pressed=${command === 'invert' ? String(pane.invert) : undefined} onClick=${() => run(command, argument)} />`)}
    </div>
    ${(many || playing) && html`<${IconButton} label=${named(t(playing ? 'viewer.cine.stop' : 'viewer.cine.play'), 'c')} icon=${playing ? 'pause' : 'play'} aria-pressed=${String(playing)} onClick=${() => run('cine')} />`}
    <div class="wide">
      <${Menu} label=${t('viewer.layout')} button=${html`<${Icon} name="layout" /><span>${t('viewer.layout')}</span>`} items=${[...layouts, linked]} />
    </div>
    <div class="wide"><${Menu} label=${t('viewer.more')} button=${html`<span>${t('viewer.more')}</span>`} items=${[...order, ...more]} /></div>
    <div class="narrow"><${Menu} label=${t('viewer.more')} button=${html`<${Icon} name="more" /><span class="visually-hidden">${t('viewer.more')}</span>`} items=${[...changes, ...layouts, linked, ...order, ...more]} /></div>
    <${IconButton} class="panel-toggle" label=${t('viewer.panel')} icon="measure" aria-expanded=${String(sheet === 'panel')} onClick=${() => onSheet('panel')} />
  </div>`;
}
