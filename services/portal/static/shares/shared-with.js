// With whom something is shared already, below the form; nothing for who may not know.

import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { ShareRow } from './row.js';
import { useShares } from './use-shares.js';

/** @param {{thing: import('./things.js').Thing, user: any, changed: number}} properties */
export function SharedWith({ thing, user, changed }) {
  const { rows, reload } = useShares('/api/shares', { ...thing.item, limit: 100 }, 'shares', changed);
  const people = (rows ?? []).filter((share) => share.grantee.link === null);
  if (people.length === 0) return null;
  return html`<section aria-labelledby="shared-with">
    <h3 id="shared-with">${t('share.already')}</h3>
    <ul class="share-rows">
      ${people.map((share) => html`<${ShareRow} key=${share.id} share=${share} user=${user} inside onEnded=${reload} />`)}
    </ul>
  </section>`;
}
