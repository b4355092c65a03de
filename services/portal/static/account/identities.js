// The providers that open one's account: linked ones, and those that can be.

import { pageAddress } from '../app/addresses.js';
import { foreseen, request } from '../app/api.js';
import { announce } from '../app/announce.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { useLoaded } from '../app/use-loaded.js';
import { ActionForm, problemSentence } from '../ui/action-form.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { PresentPassword, wrongPassword } from './fields.js';
import { waysIn } from './providers.js';
import { loadedOr, Section } from './section.js';

const OWN = '/api/auth/me/identities';

/** Nothing where there is no provider. */
export function Identities({ user }) {
  const [providers, setProviders] = useState([]);
  useEffect(() => {
    const leaving = new AbortController();
    waysIn(leaving.signal).then(
      (ways) => setProviders(ways.providers),
      (error) => {
        if (error.name !== 'AbortError') throw error;
      },
    );
    return () => leaving.abort();
  }, []);
  return providers.length > 0 && html`<${Linked} user=${user} providers=${providers} />`;
}

function Linked({ user, providers }) {
  const loaded = useLoaded(OWN);
  const [linking, setLinking] = useState('');
  const [said, setSaid] = useState(/** @type {any} */ (null));
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  const finish = () => {
    loaded.reload();
    setLinking('');
    heading.current.focus();
  };
  const unlink = async (id) => {
    setSaid(null);
    try {
      await request(`${OWN}/${encodeURIComponent(id)}`, { method: 'DELETE' });
    } catch (problem) {
      if (!foreseen(problem)) throw problem;
      setSaid(problem);
      return;
    }
    announce(t('identity.unlinked'));
    finish();
  };
  const link = async ({ password }) => {
    const json = { password, next: pageAddress('/account') };
    const path = `/api/auth/oidc/${encodeURIComponent(linking)}/link`;
    const { authorization_url: url } = await request(path, { method: 'POST', json });
    window.location.assign(url);
  };
  return html`<${Section} id="identities" heading=${t('identity.heading')} focus=${heading}>
    ${said &&
    html`<p class="notice bad" role="alert"><${Icon} name="alert" /><span>${problemSentence(said)}</span></p>`}
    ${linking
      ? html`<${ActionForm}
          class="account-form"
          submit=${t('secondFactor.goOn')}
          before=${html`<p>${t('identity.linkText')}</p>`}
          after=${html`<${Button} label=${t('accountPage.cancel')} class="wide" onClick=${finish} />`}
          explain=${wrongPassword()}
          act=${link}
        >
          <${PresentPassword} username=${user.username} />
        <//>`
      : loadedOr(loaded, ({ identities }) => html`<${List} identities=${identities} providers=${providers} onLink=${setLinking} onUnlink=${unlink} />`)}
  <//>`;
}

function List({ identities, providers, onLink, onUnlink }) {
  return html`${identities.length === 0
      ? html`<p>${t('identity.none')}</p>`
      : html`<ul class="account-list">
          ${identities.map(
            ({ id, issuer, subject, last_used_at: used }) =>
              html`<li key=${id}>
                <div>
                  <bdi class="account-entry">${new URL(issuer).host}</bdi>
                  <bdi class="quiet">${subject}</bdi>
                  ${used && html`<p class="quiet">${t('identity.used', { time: () => formatTime(used) })}</p>`}
                </div>
                <${Button} label=${t('identity.unlink')} small onClick=${() => onUnlink(id)} />
              </li>`,
          )}
        </ul>`}
    <div class="button-row start">
      ${providers.map(
        ({ name, title }) =>
          html`<${Button} key=${name} label=${t('identity.link', { title })} onClick=${() => onLink(name)} />`,
      )}
    </div>`;
}
