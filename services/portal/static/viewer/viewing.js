// What is open on the page: viewports, the tool, what was measured. The tab keeps it, for who comes back.

import { Loader } from './loader.js';
import { imageKey, Measurements, nameOf, pointsOf } from './measurements.js';
import { movedTo, newPane } from './pane.js';
import { beside, infosOf, placeOf } from './stacks.js';

/** @typedef {import('./stacks.js').Stacks} Stacks @typedef {import('./pane.js').Pane} Pane */

export const LAYOUTS = [1, 2, 4];

/**
 * Events: `change` (anything), `frame` (only another image, window or point: the viewports follow at once, the rest soon).
 */
export class Viewing extends EventTarget {
  /**
   * `series`: their UIDs; `first`, `image`: what the address names; `kept`: what the reader left here, or null.
   * @param {{series: string[], stacks: Stacks, first: string, image: string, kept?: any}} of
   */
  constructor({ series, stacks, first, image, kept = null }) {
    super();
    this.series = series;
    /** @type {Pane[]} */
    this.panes = [newPane(series.includes(first) ? first : (series[0] ?? ''), image)];
    this.active = 0;
    this.linked = true;
    this.tool = 'scroll';
    this.overlay = true;
    this.measurements = new Measurements(kept?.measurements);
    /** The measurement that keys act on, and which of its points. @type {{id: number, point: number} | null} */
    this.selected = null;
    /** Points set of a measurement that is not complete. @type {{image: string, kind: string, points: [number, number][]} | null} */
    this.draft = null;
    /** Where the next point would be, in pixels of the active image. @type {[number, number] | null} */
    this.cursor = null;
    /** What each viewport drew last. @type {{view: any, window: any, info: any, values: any, snapshot: (() => HTMLCanvasElement) | null}[]} */
    this.sights = [];
    /** @type {{speed: number | null, bounce: boolean}} */
    this.cine = { speed: null, bounce: false };
    /** Facts of measurements whose values may have left the cache. @type {Map<string, any[]>} */
    this.known = new Map(kept?.known);
    /** Series and image of the address. */
    this.named = `${first} ${image}`;
    // Another image than the last one is opened by itself; what was measured stays.
    if (kept?.named === this.named) Object.assign(this, kept.state);
    this.stacks = stacks;
    this.loader = new Loader();
    this.loader.onchange = (info) => this.#came(info);
    const arrive = () => {
      this.panes = this.panes.map((pane) => this.#arrived(pane));
      this.#again();
      this.tell();
    };
    stacks.addEventListener('change', arrive);
    addEventListener('online', this.#again);
    this.panes = this.panes.map((pane) => this.#arrived(pane));
  }

  /** What a reader finds who comes back: plain data. */
  get kept() {
    const { named, panes, active, linked, tool, overlay, cine, measurements, known } = this;
    const names = measurements.all.map(nameOf);
    const told = [...known].filter(([name]) => names.includes(name));
    return { named, state: { panes, active, linked, tool, overlay, cine }, measurements: measurements.all, known: told };
  }

  // What could not be had is asked for again.
  #again = () => {
    for (const info of this.panes.map((pane) => this.infoOf(pane)))
      if (info !== null && this.loader.get(info).error) this.loader.retry(info);
  };

  #came(info) {
    if (this.panes.some((pane) => this.infoOf(pane)?.key === info.key)) this.tell('pixels');
    if (/** @type {any} */ (this.loader.get(info).error)?.status === 404) this.tell('refused');
  }

  // The stack has come, or came anew: the same image stays in view, wherever it lies now.
  #arrived(pane) {
    const { stack } = this.stacks.of(pane.series, pane.order);
    if (stack === null || stack.groups.length === 0) return pane;
    const [file, frame] = pane.image.split(',');
    const found = pane.image === '' ? null : placeOf(stack, file, Number(frame ?? 0));
    if (found !== null) return { ...pane, ...found };
    const group = Math.min(pane.group, stack.groups.length - 1);
    const placed = { ...movedTo(pane, pane.index, stack.groups[group].frames.length), group };
    // What is opened beside others begins where they are, the active one above all.
    const leaders = this.linked && pane.image === '' ? [this.pane, ...this.panes].filter(({ image }) => image !== '') : [];
    return this.#named(leaders.reduceRight((one, leader) => this.#led(one, leader, 0), placed));
  }

  // A pane remembers its image, for when its stack comes anew.
  #named(pane) {
    const info = this.infoOf(pane);
    return info === null ? pane : { ...pane, image: imageKey(info) };
  }

  get pane() {
    return this.panes[this.active];
  }

  /** @param {Pane} pane */
  heldBy(pane) {
    return this.stacks.of(pane.series, pane.order);
  }

  /** How many images are scrolled through in a pane. @param {Pane} pane */
  countOf(pane) {
    return this.heldBy(pane).stack?.groups[pane.group]?.frames.length ?? 0;
  }

  /** What is known of the image in view; null before its stack has come. @param {Pane} pane */
  infoOf(pane, index = pane.index) {
    return index < this.countOf(pane) ? infosOf(this.heldBy(pane), pane.group)[index] : null;
  }

  /** Call `listener` at each of these events; returns how to stop it. */
  on(listener, types = ['change', 'frame', 'pixels']) {
    for (const type of types) this.addEventListener(type, listener);
    return () => types.forEach((type) => this.removeEventListener(type, listener));
  }

  tell(type = 'change') {
    this.dispatchEvent(new Event(type));
  }

  /** Change the active viewport. @param {(pane: Pane) => Pane} make */
  change(make, type = 'frame') {
    this.panes = this.panes.map((pane, index) => (index === this.active ? make(pane) : pane));
    this.tell(type);
  }

  /** Show image `index` of a viewport; those that are linked come along. */
  show(index, at = this.active) {
    const before = this.panes[at];
    const pane = this.#named(movedTo(before, index, this.countOf(before)));
    const step = pane.index - before.index;
    if (pane.index !== before.index) this.draft = null;
    this.panes = this.panes.map((other, number) => {
      if (number === at) return pane;
      return this.linked && step !== 0 ? this.#led(other, pane, step) : other;
    });
    this.tell('frame');
  }

  #led(other, pane, step) {
    const count = this.countOf(other);
    const index = count && this.countOf(pane) ? beside(this.heldBy(pane), pane, this.heldBy(other), other, step) : null;
    return index === null ? other : this.#named(movedTo(other, index, count));
  }

  /** Show a series in a viewport. */
  choose(series, at = this.active) {
    const pane = this.panes[at];
    if (pane.series === series) return;
    this.draft = null;
    this.panes = this.panes.map((old, index) => (index === at ? this.#arrived(newPane(series)) : old));
    this.tell();
  }

  /** Another group of the same series: images of another geometry, or an object without pixels. */
  chooseGroup(group) {
    this.draft = null;
    this.change((pane) => this.#named({ ...pane, group, index: 0 }), 'change');
  }

  order(order) {
    this.change((pane) => this.#arrived({ ...pane, order, group: 0 }), 'change');
  }

  /** Side by side: one, two or four viewports; new ones show the series that follow, and the active one stays. */
  arrange(count) {
    const next = this.series.indexOf(this.panes.at(-1).series);
    const fresh = Array.from({ length: Math.max(count - this.panes.length, 0) }, (_, index) =>
      newPane(this.series[(next + index + 1) % this.series.length]),
    );
    for (let at = count; at < this.panes.length; at += 1) this.loader.leave(at);
    const kept = this.panes.slice(0, count);
    const active = Math.min(this.active, count - 1);
    kept[active] = this.pane;
    this.panes = [...kept, ...fresh].map((pane) => this.#arrived(pane));
    this.active = active;
    this.tell();
  }

  activate(at) {
    if (at === this.active) return;
    this.active = at;
    this.draft = null;
    this.cursor = null;
    this.tell();
  }

  choseTool(tool) {
    this.tool = tool;
    this.draft = null;
    const info = this.infoOf(this.pane);
    this.cursor = pointsOf(tool) > 0 && info?.columns ? [info.columns / 2, info.rows / 2] : null;
    this.tell();
  }

  /** Have the images around the one in view on their way. @param {import('./levels.js').Window | null} window of previews */
  prepare(at, window) {
    const pane = this.panes[at];
    if (!['image', 'refused'].includes(this.infoOf(pane)?.kind)) {
      this.loader.leave(at);
      return;
    }
    this.loader.show(infosOf(this.heldBy(pane), pane.group), pane.index, { at, window });
  }

  /** The page is left; what the reader did stays. */
  stop() {
    removeEventListener('online', this.#again);
    this.stacks.stop();
    this.loader.dispose();
    this.sights = [];
  }
}
