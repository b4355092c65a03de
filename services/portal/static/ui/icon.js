// A picture of the sprite, as decoration: the text beside it carries the meaning.

import { html } from './html.js';

const SPRITE = new URL('../icons.svg', import.meta.url).pathname;

/** @param {{name: string, large?: boolean}} properties */
export function Icon({ name, large = false }) {
  return html`<svg class=${large ? 'icon large' : 'icon'} aria-hidden="true" focusable="false">
    <use href=${`${SPRITE}#${name}`} />
  </svg>`;
}
