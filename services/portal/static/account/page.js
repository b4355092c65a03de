// One's own account.

import { useTitle } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { ApiKeys } from './api-keys.js';
import { PasswordForm } from './change-password.js';
import { Identities } from './identities.js';
import { Preferences } from './preferences.js';
import { Profile } from './profile.js';
import { returnedProblem } from './returned.js';
import { SecondFactor } from './second-factor.js';
import { Section } from './section.js';
import { Sessions } from './sessions.js';

export function View({ work: { user } }) {
  useTitle(() => t('accountPage.heading'));
  const [problem] = useState(() => [returnedProblem()]);
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useLayoutEffect(() => heading.current.focus(), []);
  const [said] = problem;
  return html`<div class="account-page">
    <h1 tabindex="-1" ref=${heading}>${t('accountPage.heading')}</h1>
    <p class="quiet"><bdi>${user.username}</bdi></p>
    ${said && html`<p class="notice bad" role="alert"><${Icon} name="alert" /><span>${said()}</span></p>`}
    <${Profile} user=${user} />
    <${Password} user=${user} />
    <${SecondFactor} user=${user} />
    <${Identities} user=${user} />
    <${Sessions} />
    <${ApiKeys} user=${user} />
    <${Preferences} user=${user} />
  </div>`;
}

function Password({ user }) {
  const [changes, setChanges] = useState(0);
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  const onChanged = () => {
    setChanges(changes + 1); // with empty fields
    heading.current.focus();
  };
  return html`<${Section} id="password" heading=${t('accountPage.password')} focus=${heading}>
    ${changes > 0 && html`<p class="notice" role="status">${t('accountPage.passwordChanged')}</p>`}
    <p class="quiet">${t('accountPage.passwordEnds')}</p>
    <${PasswordForm} key=${changes} class="account-form" focus="none" username=${user.username} onChanged=${onChanged} />
  <//>`;
}
