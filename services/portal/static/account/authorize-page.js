// Letting an application in: what it asks for, and yes or no; the browser then goes back to it.

import { foreseen, request } from '../app/api.js';
import { useTitle } from '../app/hooks.js';
import { hasText, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';

const DECIDE = '/api/auth/oauth/authorizations';
const UNKNOWN = 'unknown-application';

export function View({ work, place }) {
  useTitle(() => t('authorize.heading'));
  const [asked, setAsked] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const decide = async (decision = null) => {
    setBusy(true);
    setError(null);
    try {
      const json = { ...Object.fromEntries(new URLSearchParams(place.query)), decision };
      const answer = await request(DECIDE, { method: 'POST', json });
      // On the way out the page stays as it is.
      if (answer.redirect_to !== null) return window.location.replace(answer.redirect_to);
      setAsked(answer);
    } catch (problem) {
      if (!foreseen(problem)) throw problem;
      setError(problem);
    }
    return setBusy(false);
  };
  useEffect(() => {
    decide();
  }, [place.query]);

  if (error?.code === UNKNOWN)
    return html`<section class="card"><${Empty} icon="alert" heading=${t('authorize.heading')} text=${t(`problem.${UNKNOWN}`)} /></section>`;
  if (error !== null && asked === null)
    return html`<section class="card"><${ErrorState} error=${error} heading=${t('error.heading')} retry=${() => decide()} /></section>`;
  if (asked === null) return html`<section class="card"><${Skeleton} /></section>`;
  return html`<${Question} asked=${asked} username=${work.user.username} error=${error} busy=${busy} onDecide=${decide} />`;
}

function Question({ asked, username, error, busy, onDecide }) {
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useLayoutEffect(() => heading.current.focus(), []);
  const scopes = asked.scopes.filter((scope) => hasText(`scope.${scope}`));
  return html`<section class="card sign-in">
    <h1 tabindex="-1" ref=${heading}>${t('authorize.question', { name: asked.name })}</h1>
    <p>${t('authorize.as', { username })}</p>
    <ul>
      ${scopes.map((scope) => html`<li key=${scope}>${t(`scope.${scope}`)}</li>`)}
    </ul>
    <p class="quiet">${t('authorize.goesTo', { host: asked.host })}</p>
    <p class="quiet">${t('authorize.until')}</p>
    ${error !== null && html`<p role="alert">${errorText(error)}</p>`}
    <div class="button-row">
      <${Button} label=${t('authorize.deny')} disabled=${busy} onClick=${() => onDecide('deny')} />
      <${Button} label=${t('authorize.allow')} kind="primary" disabled=${busy} onClick=${() => onDecide('allow')} />
    </div>
  </section>`;
}
