// The start of the administration: what there is to see to, figures, and what was changed lately.

import { t } from '../app/i18n.js';
import { setTitle } from '../app/title.js';
import { LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Empty } from '../ui/states.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { adminAddress, AREAS, may, nameOf, textOr } from './engine.js';
import { Figures } from './figures.js';
import { LogEntries } from './history.js';
import { RESOURCES } from './resources.js';

/** @param {{work: any}} properties */
export function IndexPage({ work }) {
  const { user } = work;
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useEffect(() => {
    setTitle(() => t('admin.welcome'));
    heading.current.focus();
  }, []);
  const open = RESOURCES.filter((descriptor) => may(user, descriptor, 'view'));
  return html`<div class="admin">
    <div class="page-head"><h1 tabindex="-1" ref=${heading}>${t('admin.welcome')}</h1></div>
    <${Figures} user=${user} />
    <div class="admin-start">
      <div class="admin-areas">
        ${open.length === 0 && html`<section class="card"><${Empty} icon="admin" text=${t('admin.nothing')} /></section>`}
        ${AREAS.map((area) => ({ area, found: open.filter((descriptor) => descriptor.area === area) }))
          .filter(({ found }) => found.length > 0)
          .map(({ area, found }) => html`<${Area} key=${area} area=${area} found=${found} user=${user} />`)}
      </div>
      ${user.permissions.includes('view_logentry') && html`<${Recent} user=${user} />`}
    </div>
  </div>`;
}

function Area({ area, found, user }) {
  return html`<section class="card admin-area" aria-labelledby=${`area-${area}`}>
    <h2 id=${`area-${area}`}>${t(`adminArea.${area}`)}</h2>
    <ul>
      ${found.map(
        (descriptor) =>
          html`<li key=${descriptor.name}>
            <a class="admin-resource" href=${adminAddress(descriptor.name)} data-route>
              <${Icon} name=${descriptor.icon} /><span>${nameOf(descriptor)}</span>
            </a>
            <span class="admin-ways">
              ${may(user, descriptor, 'add') &&
              html`<${LinkButton}
                label=${t('admin.add')}
                icon="add"
                kind="plain small"
                aria-label=${`${t('admin.add')}: ${nameOf(descriptor, 'single')}`}
                href=${adminAddress(descriptor.name, 'add')}
              />`}
              <${LinkButton}
                label=${t(may(user, descriptor, 'change') ? 'admin.change' : 'admin.see')}
                icon=${may(user, descriptor, 'change') ? 'edit' : 'chevron'}
                kind="plain small"
                aria-label=${`${t(may(user, descriptor, 'change') ? 'admin.change' : 'admin.see')}: ${nameOf(descriptor)}`}
                href=${adminAddress(descriptor.name)}
              />
            </span>
            ${textOr(`admin.${descriptor.name}.about`, '') && html`<p class="quiet">${t(`admin.${descriptor.name}.about`)}</p>`}
          </li>`,
      )}
    </ul>
  </section>`;
}

function Recent({ user }) {
  const [whose, setWhose] = useState('own');
  return html`<section class="card admin-recent" aria-labelledby="recent-heading">
    <h2 id="recent-heading">${t('admin.recent')}</h2>
    <div class="choice" role="group" aria-label=${t('admin.whose')}>
      ${['own', 'all'].map(
        (one) =>
          html`<button key=${one} type="button" class="button small" aria-pressed=${String(whose === one)} onClick=${() => setWhose(one)}>
            ${t(`adminWhose.${one}`)}
          </button>`,
      )}
    </div>
    <${LogEntries} key=${whose} query=${whose === 'own' ? { user: String(user.user_id) } : {}} />
  </section>`;
}
