// One's own second factor: set up, recovery codes, removed.

import { request } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { problemText } from '../app/problems.js';
import { useLoaded } from '../app/use-loaded.js';
import { ActionForm } from '../ui/action-form.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { useRef, useState } from '../vendor/hooks.mjs';
import { FirstCode } from './authenticator.js';
import { CodeField, PresentPassword, wrongPassword } from './fields.js';
import { RecoveryCodes } from './recovery-codes.js';
import { loadedOr, Section } from './section.js';

const FACTOR = '/api/auth/totp';
const INSIDE = { class: 'account-form', heading: 'h3' };
const FEW = 3; // recovery codes: renew them

export function SecondFactor({ user }) {
  const loaded = useLoaded(FACTOR);
  const [now, setNow] = useState(/** @type {{step: string, made?: any, codes?: string[]}} */ ({ step: 'state' }));
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  const finish = () => {
    loaded.reload();
    setNow({ step: 'state' });
    heading.current.focus();
  };
  const after = html`<${Button} label=${t('accountPage.cancel')} class="wide" onClick=${finish} />`;
  const kept = (codes) => setNow({ step: 'codes', codes });
  const steps = {
    state: () => loadedOr(loaded, (state) => html`<${State} state=${state} onStep=${(step) => setNow({ step })} />`),
    password: () =>
      html`<${ActionForm}
        ...${INSIDE}
        submit=${t('secondFactor.goOn')}
        before=${html`<p>${t('secondFactor.apps')}</p>`}
        after=${after}
        explain=${wrongPassword()}
        act=${async ({ password }) =>
          setNow({ step: 'code', made: await request(FACTOR, { method: 'POST', json: { password } }) })}
      >
        <${PresentPassword} username=${user.username} />
      <//>`,
    code: () =>
      html`<${FirstCode}
        ...${INSIDE}
        made=${now.made}
        after=${after}
        act=${async (code) =>
          kept((await request(`${FACTOR}/confirm`, { method: 'POST', json: { code } })).recovery_codes)}
      />`,
    codes: () => html`<${RecoveryCodes} ...${INSIDE} codes=${now.codes} onKept=${finish} />`,
    renew: () =>
      html`<${Proved}
        user=${user}
        submit=${t('factor.renew')}
        text=${t('factor.renewText')}
        after=${after}
        act=${async (json) =>
          kept((await request(`${FACTOR}/recovery-codes`, { method: 'POST', json })).recovery_codes)}
      />`,
    remove: () =>
      html`<${Proved}
        user=${user}
        submit=${t('factor.remove')}
        text=${t('factor.removeText')}
        after=${after}
        act=${async (json) => {
          await request(FACTOR, { method: 'DELETE', json });
          finish();
        }}
      />`,
  };
  return html`<${Section} id="second-factor" heading=${t('factor.heading')} focus=${heading}>
    <div class="account-body" key=${now.step}>${steps[now.step]()}</div>
  <//>`;
}

function State({ state: { enabled, confirmed_at: since, recovery_codes_left: left, required }, onStep }) {
  if (!enabled)
    return html`<p>${t(required ? 'factor.offRequired' : 'factor.off')}</p>
      <${Button} label=${t('secondFactor.setUp')} kind="primary" onClick=${() => onStep('password')} />`;
  return html`<p>${t('factor.on', { since: () => formatTime(since) })}</p>
    <p class=${left < FEW ? 'notice' : ''}>${t('factor.codesLeft', { count: left })}</p>
    ${required && html`<p class="quiet">${t('factor.cannotRemove')}</p>`}
    <div class="button-row start">
      <${Button} label=${t('factor.renew')} onClick=${() => onStep('renew')} />
      ${!required && html`<${Button} label=${t('factor.remove')} onClick=${() => onStep('remove')} />`}
    </div>`;
}

// What takes the password and a code.
function Proved({ user, submit, text, after, act }) {
  const wrongCode = (problem) => problem.code === 'wrong-code' && [() => problemText('wrong-code'), 'code'];
  return html`<${ActionForm}
    ...${INSIDE}
    submit=${submit}
    before=${html`<p>${text}</p>`}
    after=${after}
    explain=${(problem) => wrongCode(problem) || wrongPassword()(problem)}
    act=${({ password, code }) => act({ password, code })}
  >
    <${PresentPassword} username=${user.username} />
    <${CodeField} label=${t('factor.anyCode')} />
  <//>`;
}
