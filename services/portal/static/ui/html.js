// Templates: htm over preact. Text becomes text nodes, never markup.

import htm from '../vendor/htm.mjs';
import { h } from '../vendor/preact.mjs';

/** @typedef {import('../vendor/preact.mjs').ComponentChildren} Children */

/** @type {(strings: TemplateStringsArray, ...values: any[]) => import('../vendor/preact.mjs').VNode<any>} */
export const html = /** @type {any} */ (htm.bind(h));
