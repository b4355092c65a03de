// Building elements. Text only ever becomes text nodes: header values come from strangers' files.

import { setText, setAttributeText } from '../app/i18n.js';

const SVG = 'http://www.w3.org/2000/svg';
const SPRITE = new URL('../icons.svg', import.meta.url).pathname;

function apply(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === 'i18n') setText(node, ...[value].flat());
  else if (name === 'i18nLabel') setAttributeText(node, 'aria-label', value);
  else if (name === 'i18nPlaceholder') setAttributeText(node, 'placeholder', value);
  else if (name === 'i18nTitle') setAttributeText(node, 'title', value);
  else if (name === 'on')
    for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
  else if (name === 'data') Object.assign(node.dataset, value);
  else node.setAttribute(name, value === true ? '' : String(value));
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) apply(node, name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element. `i18n` takes a key or [key, parameters]; `on` takes listeners by event type. */
export function el(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** An SVG element, with the same conventions. */
export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

/** A decorative icon from the sprite; the text beside it carries the meaning. */
export function icon(name, extraClass = '') {
  return svg(
    'svg',
    { class: `icon ${extraClass}`.trim(), 'aria-hidden': 'true', focusable: 'false' },
    svg('use', { href: `${SPRITE}#${name}` }),
  );
}

/** Text of unknown direction (names, header values), kept from reordering what surrounds it. */
export function isolated(text, attributes = {}) {
  return el('bdi', attributes, String(text));
}

/** A `<button type="button">` with an icon and a translated label. */
export function button(key, iconName, onClick, attributes = {}) {
  return el(
    'button',
    { type: 'button', class: 'button', on: { click: onClick }, ...attributes },
    iconName && icon(iconName),
    el('span', { i18n: key }),
  );
}

/** Put `children` in place of whatever `node` holds. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter(Boolean));
}
