// One share or link in a list, and the way to end it.

import { nameOf } from '../app/directory.js';
import { formatDay, formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { useState } from '../vendor/hooks.mjs';
import { localDay } from './days.js';
import { granteeKey } from './directory.js';
import { EndDialog } from './end-dialog.js';
import { addressOf, detailOf, titleOf } from './things.js';

function Named({ entry }) {
  return entry.thing === null
    ? html`<bdi class="share-title">${titleOf(entry)}</bdi>`
    : html`<a class="share-title" href=${addressOf(entry)} data-route><bdi>${titleOf(entry)}</bdi></a>`;
}

function Row({ id, icon, title, lines, action }) {
  return html`<li class="share-row" data-id=${id}>
    <${Icon} name=${icon} />
    <div class="share-text">
      ${title} ${lines.filter(Boolean).map((line) => html`<span class="quiet"><bdi>${line}</bdi></span>`)}
    </div>
    ${action}
  </li>`;
}

function End({ label, heading, text, path, onEnded }) {
  const [asking, setAsking] = useState(false);
  return html`<${Button} label=${label} small onClick=${() => setAsking(true)} />
    ${asking &&
    html`<${EndDialog}
      heading=${heading}
      text=${text}
      action=${label}
      path=${path}
      onClose=${() => setAsking(false)}
      onEnded=${onEnded}
    />`}`;
}

/**
 * `inside`: in the dialog of what is shared, which needs no name there.
 * @param {{share: any, user: any, onEnded: () => void, inside?: boolean}} properties
 */
export function ShareRow({ share, user, onEnded, inside = false }) {
  const key = granteeKey(share);
  const whom = nameOf(key) ?? t('shares.unknown');
  const maker = share.created_by === user.user_id ? '' : (nameOf(`user:${share.created_by}`) ?? t('shares.unknown'));
  const mine = share.grantee.user === user.user_id;
  const with_ = inside ? '' : mine ? '' : t('shares.with', { name: whom });
  const until = share.until === null ? t('shares.endless') : t('shares.until', { day: () => formatDay(localDay(share.until)) });
  const terms = [t(`share.${share.mode}`), until].join(' · ');
  const title = inside ? html`<bdi class="share-title">${whom}</bdi>` : html`<${Named} entry=${share} />`;
  const used =
    share.last_used_at === null ? t('shares.neverUsed') : t('shares.used', { time: () => formatTime(share.last_used_at) });
  const mayEnd =
    user.permissions.includes('delete_share') && (mine || maker === '' || user.collections[share.collection] === 'manage');
  return html`<${Row}
    id=${share.id}
    icon=${share.grantee.group === null ? 'person' : 'group'}
    title=${title}
    lines=${[
      !inside && detailOf(share),
      with_,
      maker && t('shares.from', { name: maker }),
      terms,
      !mine && used,
      share.reason && t('shares.reason', { text: share.reason }),
    ]}
    action=${mayEnd &&
    html`<${End}
      label=${t(mine ? 'shares.drop' : 'shares.end')}
      heading=${t(mine ? 'shares.dropHeading' : 'shares.endHeading')}
      text=${t(mine ? 'shares.dropText' : 'shares.endText', { name: whom, title: titleOf(share) })}
      path=${`/api/shares/${encodeURIComponent(share.id)}`}
      onEnded=${onEnded}
    />`}
  />`;
}

/** @param {{link: any, user: any, onEnded: () => void}} properties */
export function LinkRow({ link, user, onEnded }) {
  const terms = [
    t(link.download ? 'share.seeAndLoad' : 'share.view'),
    t('shares.until', { day: () => formatDay(localDay(link.expires_at)) }),
    link.password && t('shares.withPassword'),
  ];
  const opened =
    link.last_opened_at === null
      ? t('shares.neverOpened')
      : t('shares.opened', { count: link.opened, time: () => formatTime(link.last_opened_at) });
  return html`<${Row}
    id=${link.id}
    icon="link"
    title=${html`<${Named} entry=${link} />`}
    lines=${[detailOf(link), terms.filter(Boolean).join(' · '), opened, link.reason && t('shares.reason', { text: link.reason })]}
    action=${user.permissions.includes('delete_link') &&
    html`<${End}
      label=${t('shares.end')}
      heading=${t('shares.endHeading')}
      text=${t('shares.endLinkText', { title: titleOf(link) })}
      path=${`/api/links/${encodeURIComponent(link.id)}`}
      onEnded=${onEnded}
    />`}
  />`;
}
