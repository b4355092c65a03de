// The numbers behind a chart, built when somebody opens them.

import { el } from './dom.js';

/** A `<details>`; `rows()` gives arrays of texts, one per column key. */
export function dataTable(summaryKey, columnKeys, rows) {
  const details = el('details', { class: 'data-table' }, el('summary', { i18n: summaryKey }));
  details.addEventListener(
    'toggle',
    () => {
      const head = el(
        'tr',
        {},
        columnKeys.map((key) => el('th', { scope: 'col', i18n: key })),
      );
      const body = rows().map((row) =>
        el(
          'tr',
          {},
          row.map((text) => el('td', {}, text)),
        ),
      );
      details.append(
        el(
          'div',
          { class: 'scroll', tabindex: 0, role: 'region', i18nLabel: summaryKey },
          el('table', {}, el('thead', {}, head), el('tbody', {}, body)),
        ),
      );
    },
    { once: true },
  );
  return details;
}
