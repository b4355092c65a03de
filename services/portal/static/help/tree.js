// Elements and texts out of the trees that the server makes of Markdown.

import { pageAddress } from '../app/addresses.js';
import { t } from '../app/i18n.js';
import { Copy } from '../ui/copy.js';
import { html } from '../ui/html.js';

/** @typedef {import('./loading.js').Node} Node */

/** `fill(code)` completes what a program takes. @param {{nodes: Node[], fill?: (code: string) => string}} properties */
export function Tree({ nodes, fill = (code) => code }) {
  return html`${nodes.map((node) => made(node, fill))}`;
}

function made(node, fill) {
  if (typeof node === 'string') return node;
  const [name, attributes, ...children] = node;
  const inside = children.map((child) => made(child, fill));
  if (name === 'pre') return html`<${Code} text=${fill(children[0])} />`;
  if (name === 'code') return html`<code>${fill(children[0])}</code>`;
  if (name === 'a') return html`<a ...${way(attributes.href)}>${inside}</a>`;
  if (name === 'img') return html`<${Picture} ...${attributes} />`;
  if (name === 'table') return html`<div class="scroll" tabindex="0"><table>${inside}</table></div>`;
  return html`<${name} ...${attributes}>${inside}<//>`;
}

function way(href) {
  if (href.startsWith('#')) return { href };
  if (href.startsWith('/')) return { href: pageAddress(href), 'data-route': '' };
  return { href, rel: 'noreferrer' };
}

function Picture({ src, alt, width, height }) {
  const address = new URL(`./pictures/${src}`, import.meta.url).pathname;
  return html`<img class="help-picture" src=${address} alt=${alt} width=${width} height=${height} loading="lazy" />`;
}

function Code({ text }) {
  return html`<div class="help-code">
    <pre tabindex="0"><code>${text}</code></pre>
    <${Copy} text=${text} label=${t('help.copy')} />
  </div>`;
}
