// The numbers behind a chart, built when somebody opens them.

import { useState } from '../vendor/hooks.mjs';
import { html } from './html.js';

/** `rows()` gives arrays of texts, one for each of `columns`. */
export function DataTable({ summary, columns, rows }) {
  const [opened, setOpened] = useState(false);
  return html`<details class="data-table" onToggle=${() => setOpened(true)}>
    <summary>${summary}</summary>
    ${opened &&
    html`<div class="scroll" tabindex="0" role="group" aria-label=${summary}>
      <table>
        <thead>
          <tr>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr>
        </thead>
        <tbody>${rows().map((row) => html`<tr>${row.map((text) => html`<td>${text}</td>`)}</tr>`)}</tbody>
      </table>
    </div>`}
  </details>`;
}
