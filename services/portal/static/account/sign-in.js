// Signing in: password, provider, second step. It takes the place of any page without changing the address.

import { pageAddress } from '../app/addresses.js';
import { ApiError } from '../app/api.js';
import { useTitle } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { problemText } from '../app/problems.js';
import { signIn } from '../app/session.js';
import { ActionForm } from '../ui/action-form.js';
import { Field } from '../ui/field.js';
import { html } from '../ui/html.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { PasswordField } from './fields.js';
import { PASSWORDS, Providers, waysIn } from './providers.js';
import { RecoveryCodes } from './recovery-codes.js';
import { returnedChallenge, returnedProblem } from './returned.js';
import { SecondStep } from './second-step.js';

/** The address that says how a sign-in with a provider ended. */
const SIGN_IN = '/sign-in';

const over = () => problemText('challenge-over');

// A provider may have begun it: it says who, and the rest is asked here.
function beginning() {
  const begun = returnedChallenge();
  if (begun) return asked(begun);
  return { step: 'password', said: window.location.pathname === pageAddress(SIGN_IN) ? returnedProblem() : null };
}

function asked(challenge) {
  return { step: 'code', challenge: { ...challenge, until: Date.now() + challenge.expires_in * 1000 } };
}

/** `onSignedIn()` follows a success; `ended` and `reset` say why the reader is asked again. */
export function SignIn({ ended = false, reset = false, onSignedIn }) {
  useTitle(() => t('signIn.heading'));
  const [now, setNow] = useState(/** @type {any} */ (beginning));
  const { step, challenge } = now;
  useEffect(() => {
    if (step !== 'code') return undefined;
    const timer = setTimeout(() => setNow({ step: 'password', said: over }), challenge.until - Date.now());
    return () => clearTimeout(timer);
  }, [step, challenge]);
  const done = (codes = []) => (codes.length === 0 ? onSignedIn() : setNow({ step: 'codes', codes }));
  const onOver = (late) => setNow({ step: 'password', said: late ? over : null, again: true });
  if (step === 'codes') return html`<${RecoveryCodes} codes=${now.codes} onKept=${onSignedIn} />`;
  if (step === 'code') return html`<${SecondStep} challenge=${challenge} onDone=${done} onOver=${onOver} />`;
  const why = (reset && 'reset.done') || (ended && 'signIn.ended');
  return html`<${PasswordStep}
    why=${now.said || now.again ? '' : why}
    said=${now.said}
    onSignedIn=${done}
    onChallenge=${(answer) => setNow(asked(answer))}
  />`;
}

function PasswordStep({ why, said, onSignedIn, onChallenge }) {
  const [ways, setWays] = useState(PASSWORDS);
  const place = useRef(/** @type {HTMLDivElement} */ (null));
  useEffect(() => {
    const leaving = new AbortController();
    waysIn(leaving.signal).then(setWays, (error) => {
      if (error.name !== 'AbortError') throw error;
    });
    return () => leaving.abort();
  }, []);
  const only = !ways.password_sign_in;
  useEffect(() => {
    if (only) /** @type {HTMLElement} */ (place.current.querySelector('.providers a'))?.focus();
  }, [only]);
  const act = async ({ username, password }) => {
    const challenge = await signIn(username.trim(), password);
    if (challenge) onChallenge(challenge);
    else onSignedIn();
  };
  const explain = (problem) =>
    problem instanceof ApiError && [400, 401].includes(problem.status) && [() => t('signIn.wrong'), 'password'];
  const before = html`<h1 tabindex="-1">${t('signIn.heading')}</h1>
    ${why && html`<p class="notice" role="status">${t(why)}</p>`}`;
  const after = html`<a class="sign-in-forgotten" href=${pageAddress('/forgotten-password')} data-route hidden=${only}>
      ${t('signIn.forgotten')}
    </a>
    <${Providers} ways=${ways} />`;
  return html`<div ref=${place}>
    <${ActionForm}
      submit=${t('signIn.submit')}
      working=${t('signIn.working')}
      begin=${said && [said]}
      before=${before}
      after=${after}
      explain=${explain}
      hidden=${only}
      act=${act}
    >
      <div class="sign-in-password" hidden=${only}>
        <${Field}
          name="username"
          label=${t('signIn.username')}
          autocomplete="username"
          required
          maxlength="150"
          autocapitalize="none"
          spellcheck="false"
        />
        <${PasswordField} name="password" label=${t('signIn.password')} autocomplete="current-password" />
      </div>
    <//>
  </div>`;
}
