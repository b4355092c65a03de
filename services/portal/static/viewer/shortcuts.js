// The keys of the viewport, and what they do. They work only while it has the focus.

/** @typedef {[command: string, argument?: any]} Command */

/** @type {Record<string, Command>} */
const PLAIN = {
  ArrowUp: ['step', -1],
  ArrowDown: ['step', 1],
  ArrowLeft: ['step', -1],
  ArrowRight: ['step', 1],
  Home: ['first'],
  End: ['last'],
  PageUp: ['series', -1],
  PageDown: ['series', 1],
  '+': ['zoom', 1.25],
  '-': ['zoom', 0.8],
  '=': ['fit'],
  ' ': ['reset'],
  w: ['tool', 'window'],
  z: ['tool', 'zoom'],
  p: ['tool', 'pan'],
  d: ['tool', 'length'],
  a: ['tool', 'angle'],
  e: ['tool', 'ellipse'],
  t: ['tool', 'rectangle'],
  v: ['tool', 'probe'],
  i: ['invert'],
  r: ['rotate', 90],
  l: ['rotate', -90],
  h: ['flip', false],
  b: ['flip', true],
  c: ['cine'],
  o: ['overlay'],
  f: ['fullscreen'],
  Backspace: ['remove'],
  Delete: ['remove'],
  Escape: ['cancel'],
};
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const FAR = 10; // with Shift
const PAN = 24; // CSS pixels

/** What a key asks for, or null. `measuring`: a tool that sets points is active. @returns {Command | null} */
export function commandOf({ key, ctrlKey, metaKey, shiftKey, altKey }, measuring) {
  if (altKey) return null;
  const arrow = ARROWS[key];
  const control = ctrlKey || metaKey;
  if (control && arrow) {
    const by = shiftKey ? FAR : 1;
    return ['window', { width: arrow[0] * by, center: -arrow[1] * by }];
  }
  if (control) return key.toLowerCase() === 'z' ? ['undo'] : null;
  if (measuring) {
    if (arrow) return ['cursor', arrow.map((way) => way * (shiftKey ? FAR : 1))];
    if (key === 'Enter') return ['point'];
    if (key === 'Tab') return ['next', shiftKey ? -1 : 1];
  }
  if (shiftKey && arrow) return ['pan', arrow.map((way) => way * PAN)];
  if (/^[0-9]$/.test(key)) return ['preset', key];
  return PLAIN[key.length === 1 ? key.toLowerCase() : key] ?? null;
}
