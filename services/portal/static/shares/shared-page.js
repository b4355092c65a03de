// What is shared with the reader, and by them.

import { t } from '../app/i18n.js';
import { pageAddress } from '../app/addresses.js';
import { rename } from '../app/router.js';
import { setTitle } from '../app/title.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { Tabs } from '../ui/tabs.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { LinkRow, ShareRow } from './row.js';
import { useShares } from './use-shares.js';

linkSheet(new URL('./shares.css', import.meta.url));

const LISTS = {
  with: { path: '/api/shares', query: { with: 'me', limit: 50 }, key: 'shares', permission: 'view_share' },
  by: { path: '/api/shares', query: { by: 'me', limit: 50 }, key: 'shares', permission: 'view_share' },
  links: { path: '/api/links', query: { limit: 50 }, key: 'links', permission: 'view_link' },
};

/** The list that an address names. */
function listOf(query, kinds) {
  const named = new URLSearchParams(query).get('list');
  return kinds.includes(named) ? named : kinds[0];
}

export function View({ work, place }) {
  const { user, live } = work;
  const kinds = Object.keys(LISTS).filter((kind) => user.permissions.includes(LISTS[kind].permission));
  const [chosen, setChosen] = useState(() => listOf(place.query, kinds));
  const [changed, setChanged] = useState(0);
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useLayoutEffect(() => {
    setTitle(() => t('nav.shared'));
    heading.current.focus();
  }, []);
  useEffect(() => {
    const again = () => setChanged((count) => count + 1);
    live.start();
    live.addEventListener('resync', again);
    return () => live.removeEventListener('resync', again);
  }, [live]);
  const choose = (kind) => {
    rename(pageAddress(kind === kinds[0] ? '/shared' : `/shared?list=${kind}`));
    setChosen(kind);
  };
  const tabs = kinds.map((kind) => ({ key: kind, label: t(`shares.${kind}Me`) }));
  return html`<div class="shared">
    <h1 tabindex="-1" ref=${heading}>${t('nav.shared')}</h1>
    <${Tabs} name="shared" label=${t('nav.shared')} tabs=${tabs} chosen=${chosen} onChoose=${choose}>
      <section class="card"><${List} key=${chosen} kind=${chosen} user=${user} changed=${changed} /></section>
    <//>
  </div>`;
}

function List({ kind, user, changed }) {
  const { path, query, key } = LISTS[kind];
  const { rows, cursor, error, reload, more } = useShares(path, query, key, changed);
  if (error !== null) return html`<${ErrorState} error=${error} retry=${reload} />`;
  if (rows === null) return html`<${Skeleton} />`;
  // Links are shares as well; they have a list of their own.
  const shown = key === 'links' ? rows : rows.filter((share) => share.grantee.link === null);
  if (shown.length === 0 && cursor === null)
    return html`<${Empty} icon="share" text=${t(`shares.${kind}None`)} />`;
  return html`<ul class="share-rows">
      ${shown.map((row) =>
        key === 'links'
          ? html`<${LinkRow} key=${row.id} link=${row} user=${user} onEnded=${reload} />`
          : html`<${ShareRow} key=${row.id} share=${row} user=${user} onEnded=${reload} />`,
      )}
    </ul>
    ${cursor !== null && html`<${Button} label=${t('shares.more')} onClick=${more} />`}`;
}
