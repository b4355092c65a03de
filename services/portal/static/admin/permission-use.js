// Which groups, accounts and keys hold a permission.

import { foreseen, request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { adminAddress } from './engine.js';

/** @param {{codename: string}} properties */
export function PermissionUse({ codename }) {
  const [{ use, error }, setShown] = useState(/** @type {any} */ ({ use: null, error: null }));
  useEffect(() => {
    const leaving = new AbortController();
    request(`/api/auth/permissions/${encodeURIComponent(codename)}`, { signal: leaving.signal }).then(
      (found) => setShown({ use: found, error: null }),
      (problem) => {
        if (foreseen(problem)) setShown({ use: null, error: problem });
        else if (problem.name !== 'AbortError') throw problem;
      },
    );
    return () => leaving.abort();
  }, [codename]);
  if (error !== null) return html`<${ErrorState} error=${error} />`;
  if (use === null) return html`<${Skeleton} lines=${3} />`;
  if (use.held_by_groups.length + use.held_by_users.length === 0) return html`<p>${t('admin.usedNowhere')}</p>`;
  return html`<ul class="admin-names">
    ${use.held_by_groups.map(({ id, name }) => html`<li key=${`g${id}`}>${t('admin.inGroup')} <a href=${adminAddress('groups', String(id))} data-route><bdi>${name}</bdi></a></li>`)}
    ${use.held_by_users.map(({ id, name }) => html`<li key=${`u${id}`}>${t('admin.ofUser')} <a href=${adminAddress('users', String(id))} data-route><bdi>${name}</bdi></a></li>`)}
    ${use.users > use.held_by_users.length && html`<li>${t('admin.andMore', { count: use.users - use.held_by_users.length })}</li>`}
  </ul>`;
}
