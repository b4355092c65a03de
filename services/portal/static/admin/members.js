// Who is in a group, and the way to put somebody in it or out.

import { ApiError, NetworkError, request } from '../app/api.js';
import { pageAddress } from '../app/addresses.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { adminAddress } from './engine.js';

const SHOWN = 50;

/** @param {{row: any, context: any, changed: number}} properties */
export function GroupMembers({ row, context, changed }) {
  const [{ users, error }, setShown] = useState(/** @type {any} */ ({ users: null, error: null }));
  const [again, setAgain] = useState(0);
  const open = context.user.permissions.includes('view_user');
  useEffect(() => {
    if (!open) return undefined;
    const leaving = new AbortController();
    request(`/api/auth/users?group=${row.id}&limit=${SHOWN}`, { signal: leaving.signal }).then(
      (page) => setShown({ users: page.users, error: null }),
      (problem) => {
        if (problem instanceof ApiError || problem instanceof NetworkError) setShown({ users: null, error: problem });
        else if (problem.name !== 'AbortError') throw problem;
      },
    );
    return () => leaving.abort();
  }, [row.id, changed, again]);
  if (!open) return null;
  return html`<section class="card" aria-labelledby="members-heading">
    <h2 id="members-heading">${t('admin.members', { count: row.members })}</h2>
    ${error !== null
      ? html`<${ErrorState} error=${error} retry=${() => setAgain(again + 1)} />`
      : users === null
        ? html`<${Skeleton} lines=${3} />`
        : users.length === 0
          ? html`<p class="quiet">${t('admin.noMembers')}</p>`
          : html`<ul class="member-names">
              ${users.map((user) => html`<li key=${user.id}><a href=${adminAddress('users', String(user.id))} data-route><bdi>${user.username}</bdi></a></li>`)}
            </ul>`}
    <p><a href=${pageAddress(`/admin/users?group=${row.id}`)} data-route>${t('admin.allMembers')}</a></p>
  </section>`;
}
