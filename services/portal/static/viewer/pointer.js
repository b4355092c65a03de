// Mouse, pen and fingers on a viewport. One finger is the tool, two pinch and pan, a long press probes.

import { within, setPoint } from './commands.js';
import { movable } from './levels.js';
import { imageKey, pointsOf } from './measurements.js';
import { panned, stepped, zoomed } from './pane.js';

const STILL = 5; // CSS pixels that a press may wander
const LONG = 500; // milliseconds of a long press
const DOUBLE = 350; // milliseconds between two taps
const NEAR = { mouse: 8, pen: 12, touch: 22 }; // CSS pixels around a point that take hold of it
const LINE = 40; // pixels of the wheel for one image

/** @typedef {{x: number, y: number}} Spot CSS pixels from the centre of the viewport */

const DRAGS = {
  scroll: (viewing, start, by, box) => {
    const each = Math.min(Math.max(box.height / Math.max(viewing.countOf(viewing.pane), 1), 3), 24);
    viewing.show(start.pane.index + Math.trunc(by.y / each));
  },
  window: (viewing, start, by) => {
    if (start.window) viewing.change((pane) => ({ ...pane, window: stepped(start.window, by.y / 2, by.x / 2) }));
  },
  zoom: (viewing, start, by) => {
    viewing.change((pane) => zoomed({ ...pane, zoom: start.pane.zoom, pan: start.pane.pan }, 1.01 ** -by.y, start.spot.x, start.spot.y));
  },
  pan: (viewing, start, by) => viewing.change((pane) => panned({ ...pane, pan: start.pane.pan }, by.x, by.y)),
};

export class Pointer {
  #viewing;
  #at;
  #box;
  #down = new Map();
  #start = null;
  #press = 0;
  #tapped = { time: 0, x: 0, y: 0 };
  #wheel = 0;

  /** `at`: number of the viewport. @param {import('./viewing.js').Viewing} viewing @param {HTMLElement} box */
  constructor(viewing, at, box) {
    this.#viewing = viewing;
    this.#at = at;
    this.#box = box;
  }

  get #view() {
    return this.#viewing.sights[this.#at]?.view;
  }

  #spot(event) {
    const box = this.#box.getBoundingClientRect();
    return { x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2 };
  }

  #place(spot) {
    const info = this.#viewing.infoOf(this.#viewing.panes[this.#at]);
    return this.#view && info?.columns ? within(this.#view.toImage(spot.x, spot.y), info) : null;
  }

  down(event) {
    this.#viewing.activate(this.#at);
    this.#box.focus({ preventScroll: true });
    const spot = this.#spot(event);
    if (event.pointerType === 'touch') this.#viewing.cursor = null;
    this.#down.set(event.pointerId, spot);
    this.#box.setPointerCapture(event.pointerId);
    clearTimeout(this.#press);
    if (this.#down.size === 2) return this.#begin(spot, 'pinch');
    const held = event.button === 0 ? this.#held(spot, NEAR[event.pointerType] ?? NEAR.mouse) : null;
    const tool = { 1: 'pan', 2: 'zoom' }[event.button] ?? (held ? 'point' : this.#viewing.tool);
    this.#begin(spot, tool, held);
    if (event.pointerType === 'touch') this.#press = setTimeout(() => this.#probe(spot), LONG);
    if (!held && pointsOf(tool) > 0 && event.pointerType !== 'touch') this.#set(spot);
    return undefined;
  }

  #begin(spot, tool, held = null) {
    const { panes, sights } = this.#viewing;
    const { window = null, info } = sights[this.#at] ?? {};
    const fingers = [...this.#down.values()].map((one) => ({ ...one }));
    this.#start = { spot, tool, held, fingers, pane: panes[this.#at], window: window && movable(window, info), moved: false };
    if (held) {
      this.#viewing.selected = held;
      this.#viewing.tell('frame');
    }
  }

  /** The point of a measurement at this place. */
  #held(spot, near) {
    const info = this.#viewing.infoOf(this.#viewing.panes[this.#at]);
    if (info === null || !this.#view || this.#viewing.draft !== null) return null;
    for (const { id, points } of this.#viewing.measurements.of(imageKey(info)))
      for (const [point, place] of points.entries()) {
        const [x, y] = this.#view.toScreen(...place);
        if (Math.hypot(x - spot.x, y - spot.y) <= near) return { id, point };
      }
    return null;
  }

  #set(spot) {
    const place = this.#place(spot);
    if (place !== null) setPoint(this.#viewing, place);
  }

  #probe(spot) {
    this.#start = { ...this.#start, tool: 'peek', moved: true };
    this.#hover(spot);
  }

  #hover(spot) {
    this.#viewing.cursor = this.#place(spot);
    this.#viewing.tell('frame');
  }

  move(event) {
    const spot = this.#spot(event);
    if (!this.#down.has(event.pointerId)) {
      if (pointsOf(this.#viewing.tool) > 0 && this.#at === this.#viewing.active && event.pointerType !== 'touch') this.#hover(spot);
      return;
    }
    this.#down.set(event.pointerId, spot);
    const start = this.#start;
    if (start === null) return;
    if (start.tool === 'pinch') {
      this.#pinch();
      return;
    }
    const by = { x: spot.x - start.spot.x, y: spot.y - start.spot.y };
    if (!start.moved && Math.hypot(by.x, by.y) < STILL) return;
    if (!start.moved && event.pointerType === 'touch' && pointsOf(start.tool) > 0) this.#set(start.spot);
    if (!start.moved && start.held) this.#viewing.measurements.remember();
    start.moved = true;
    clearTimeout(this.#press);
    const place = this.#place(spot);
    if (start.tool === 'point') {
      if (place === null) return;
      this.#viewing.measurements.move(start.held.id, start.held.point, place, false);
      this.#viewing.tell('frame');
    } else if (start.tool === 'peek' || pointsOf(start.tool) > 0) this.#hover(spot);
    else DRAGS[start.tool]?.(this.#viewing, start, by, this.#box.getBoundingClientRect());
  }

  #pinch() {
    const [one, other] = [...this.#down.values()];
    const [first, second] = this.#start.fingers;
    if (!other || !second) return;
    const [before, now] = [apart(first, second), apart(one, other)];
    const { zoom, pan } = this.#start.pane;
    this.#viewing.change((pane) => {
      const moved = panned({ ...pane, zoom, pan }, now.x - before.x, now.y - before.y);
      return zoomed(moved, now.far / (before.far || 1), now.x, now.y);
    });
  }

  up(event) {
    if (!this.#down.delete(event.pointerId)) return;
    clearTimeout(this.#press);
    const start = this.#start;
    if (start === null) return;
    if (start.tool === 'pinch') {
      if (this.#down.size === 0) this.#start = null;
      return;
    }
    this.#start = null;
    const spot = this.#spot(event);
    if (start.tool === 'peek') {
      this.#viewing.cursor = null;
      this.#viewing.tell('frame');
    } else if (pointsOf(start.tool) > 0) {
      // A drag has set two points, a tap one.
      if (start.moved || event.pointerType === 'touch') this.#set(spot);
    } else if (!start.moved && event.pointerType === 'touch') this.#tap(event, spot);
  }

  #tap(event, spot) {
    const { time, x, y } = this.#tapped;
    const twice = event.timeStamp - time < DOUBLE && Math.hypot(spot.x - x, spot.y - y) < 40;
    this.#tapped = { time: twice ? 0 : event.timeStamp, ...spot };
    if (twice) this.#viewing.change((pane) => ({ ...pane, fit: true, zoom: 1, pan: [0, 0] }));
  }

  cancel(event) {
    this.#down.delete(event.pointerId);
    clearTimeout(this.#press);
    this.#start = null;
  }

  wheel(event) {
    event.preventDefault();
    this.#viewing.activate(this.#at);
    if (event.ctrlKey) {
      const { x, y } = this.#spot(event);
      this.#viewing.change((pane) => zoomed(pane, 1.002 ** -event.deltaY, x, y));
      return;
    }
    const pixels = event.deltaY * [1, LINE, LINE * 4][event.deltaMode];
    // A notch of a wheel is one image; a touch pad's small steps add up.
    this.#wheel = Math.sign(pixels) === Math.sign(this.#wheel) ? this.#wheel + pixels : pixels;
    const images = Math.abs(pixels) >= LINE * 2 ? Math.sign(pixels) : Math.trunc(this.#wheel / LINE);
    if (images === 0) return;
    this.#wheel = 0;
    this.#viewing.show(this.#viewing.pane.index + images);
  }
}

function apart(one, other) {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, far: Math.hypot(one.x - other.x, one.y - other.y) };
}
