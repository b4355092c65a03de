// What needs an eye now, as far as the reader may know it: each figure leads to where it can be seen to.

import { ApiError, NetworkError, request } from '../app/api.js';
import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { pageAddress } from '../app/addresses.js';
import { html } from '../ui/html.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

/** [name, permission, path, number of the answer, page, whether it is bad when there are any] */
const FIGURES = /** @type {[string, string, string, (answer: any) => number, string, boolean][]} */ ([
  ['queued', 'view_dicomresult', '/api/results/summary', (answer) => answer.received, '/admin/results?state=received', false],
  ['processed', 'view_dicomresult', '/api/results/summary', (answer) => answer.processed, '/admin/results?state=processed', false],
  ['failed', 'view_dicomresult', '/api/results/summary', (answer) => answer.failed, '/admin/results?state=failed', true],
  ['users', 'view_user', '/api/auth/users?limit=1', (answer) => answer.total, '/admin/users', false],
]);

export function Figures({ user }) {
  const [figures, setFigures] = useState(/** @type {Record<string, number>} */ ({}));
  const mine = FIGURES.filter(([, permission]) => user.permissions.includes(permission));
  useEffect(() => {
    const leaving = new AbortController();
    const paths = [...new Set(mine.map(([, , path]) => path))];
    for (const path of paths)
      request(path, { signal: leaving.signal }).then(
        (answer) => {
          const found = mine.filter((figure) => figure[2] === path).map(([name, , , number]) => [name, number(answer)]);
          setFigures((before) => ({ ...before, ...Object.fromEntries(found) }));
        },
        (error) => {
          // Without an answer there is no figure; what it leads to says what is wrong.
          if (!(error instanceof ApiError || error instanceof NetworkError || error.name === 'AbortError')) throw error;
        },
      );
    return () => leaving.abort();
  }, [user]);
  if (mine.length === 0) return null;
  return html`<ul class="figures" aria-label=${t('admin.figures')}>
    ${mine.map(([name, , , , page, bad]) => {
      const number = figures[name];
      return html`<li key=${name} data-figure=${name}>
        <a href=${pageAddress(page)} data-route class=${bad && number > 0 ? 'figure tone-bad' : 'figure'}>
          <span class="figure-number">${number === undefined ? '—' : formatNumber(number)}</span>
          <span>${t(`adminFigure.${name}`)}</span>
        </a>
      </li>`;
    })}
  </ul>`;
}
