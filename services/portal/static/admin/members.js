// Who is in a group; accounts are put into it and taken out one by one.

import { announce } from '../app/announce.js';
import { foreseen, request, withQuery } from '../app/api.js';
import { pageAddress } from '../app/addresses.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { IconButton } from '../ui/button.js';
import { Combobox } from '../ui/combobox.js';
import { html } from '../ui/html.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { adminAddress } from './engine.js';

const SHOWN = 50;

async function people(text, signal) {
  const { entries } = await request(withQuery('/api/auth/directory', { q: text }), { signal });
  return entries
    .filter(({ kind }) => kind === 'user')
    .map(({ id, name, full_name: detail }) => ({ key: String(id), label: name, detail, icon: 'person' }));
}

/** @param {{row: any, context: any, changed: number}} properties */
export function GroupMembers({ row, context, changed }) {
  const [{ users, total, error }, setShown] = useState(/** @type {any} */ ({ users: null, total: row.members, error: null }));
  const [refused, setRefused] = useState(/** @type {any} */ (null));
  const [again, setAgain] = useState(0);
  const open = context.user.permissions.includes('view_user');
  const section = useRef(/** @type {HTMLElement} */ (null));
  const changing = context.user.permissions.includes('change_user');
  useEffect(() => {
    if (!open) return undefined;
    const leaving = new AbortController();
    request(`/api/auth/users?group=${row.id}&limit=${SHOWN}`, { signal: leaving.signal }).then(
      (page) => setShown({ users: page.users, total: page.total, error: null }),
      (problem) => {
        if (foreseen(problem)) setShown({ users: null, total: null, error: problem });
        else if (problem.name !== 'AbortError') throw problem;
      },
    );
    return () => leaving.abort();
  }, [row.id, changed, again]);

  const change = async (method, id, said) => {
    setRefused(null);
    try {
      await request(`/api/auth/groups/${row.id}/members/${id}`, { method });
      announce(said);
    } catch (problem) {
      if (!foreseen(problem)) throw problem;
      setRefused(problem);
    }
    setAgain((count) => count + 1);
  };
  // What had the focus is gone: the next one is put in, or taken out, from here.
  useLayoutEffect(() => {
    if (again > 0) /** @type {HTMLElement | null} */ (section.current?.querySelector('input'))?.focus();
  }, [again]);
  if (!open) return null;

  return html`<section ref=${section} class="card admin-members" aria-labelledby="members-heading">
    <h2 id="members-heading">${t('admin.members', { count: total ?? row.members })}</h2>
    ${changing &&
    html`<${Combobox}
      key=${again}
      name="member"
      label=${t('admin.addMember')}
      chosen=${null}
      search=${people}
      onChoose=${(option) => option !== null && change('PUT', option.key, t('admin.memberAdded', { name: option.label }))}
    />`}
    ${refused !== null && html`<p class="notice bad" role="alert"><span>${errorText(refused)}</span></p>`}
    ${error !== null
      ? html`<${ErrorState} error=${error} retry=${() => setAgain(again + 1)} />`
      : users === null
        ? html`<${Skeleton} lines=${3} />`
        : users.length === 0
          ? html`<p class="quiet">${t('admin.noMembers')}</p>`
          : html`<ul class="member-names">
              ${users.map(
                (user) =>
                  html`<li key=${user.id}>
                    <a href=${adminAddress('users', String(user.id))} data-route><bdi>${user.username}</bdi></a>
                    ${changing &&
                    user.id !== context.user.user_id &&
                    html`<${IconButton}
                      label=${t('admin.removeMember', { name: user.username })}
                      icon="close"
                      onClick=${() => change('DELETE', user.id, t('admin.memberRemoved', { name: user.username }))}
                    />`}
                  </li>`,
              )}
            </ul>`}
    <p><a href=${pageAddress(`/admin/users?group=${row.id}`)} data-route>${t('admin.allMembers')}</a></p>
  </section>`;
}
