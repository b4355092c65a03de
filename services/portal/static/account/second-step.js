// The second step of a sign-in: a code, or the authenticator that a group demands.

import { currentLanguage, t } from '../app/i18n.js';
import { completeSignIn, enrol } from '../app/session.js';
import { ActionForm } from '../ui/action-form.js';
import { html } from '../ui/html.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { FirstCode } from './authenticator.js';
import { CodeField } from './fields.js';

function Until({ challenge }) {
  const time = () => new Intl.DateTimeFormat(currentLanguage(), { timeStyle: 'short' }).format(challenge.until);
  return html`<p class="quiet">${t('secondFactor.until', { time })}</p>`;
}

function TextButton({ label, onClick }) {
  return html`<button type="button" class="link-button" onClick=${onClick}>${label}</button>`;
}

// What is over begins anew; anything else keeps the step.
function orOver(act, onOver) {
  return async (...given) => {
    try {
      await act(...given);
    } catch (problem) {
      if (problem.code !== 'challenge-over') throw problem;
      onOver(true);
    }
  };
}

/** `onDone(recovery codes)`; `onOver(whether its time was over)` when the sign-in has to begin anew. */
export function SecondStep({ challenge, onDone, onOver }) {
  const [made, setMade] = useState(/** @type {any} */ (null));
  const again = html`<${TextButton} label=${t('secondFactor.startAgain')} onClick=${() => onOver(false)} />`;
  const complete = orOver(async (code) => onDone(await completeSignIn(challenge.challenge_token, code)), onOver);
  const until = html`<${Until} challenge=${challenge} />`;
  if (!challenge.methods.includes('enrol'))
    return html`<${CodeStep} challenge=${challenge} act=${complete} until=${until} again=${again} />`;
  if (made !== null) return html`<${FirstCode} key="code" made=${made} act=${complete} more=${until} after=${again} />`;
  const before = html`<h1 tabindex="-1">${t('secondFactor.setUpHeading')}</h1>
    <p>${t('secondFactor.required')}</p>
    <p>${t('secondFactor.apps')}</p>
    ${until}`;
  return html`<${ActionForm}
    key="begin"
    submit=${t('secondFactor.setUp')}
    before=${before}
    after=${again}
    act=${orOver(async () => setMade(await enrol(challenge.challenge_token)), onOver)}
  />`;
}

function CodeStep({ challenge, act, until, again }) {
  const [recovery, setRecovery] = useState(false);
  const place = useRef(/** @type {HTMLDivElement} */ (null));
  const turned = useRef(false);
  useEffect(() => {
    if (turned.current) place.current.querySelector('input').focus();
    turned.current = true;
  }, [recovery]);
  const other = challenge.methods.includes('recovery_code');
  const before = html`<h1 tabindex="-1">${t('secondFactor.heading')}</h1>
    <p>${t(recovery ? 'secondFactor.whyRecovery' : 'secondFactor.why')}</p>`;
  const turn = html`<${TextButton}
    label=${t(recovery ? 'secondFactor.useApp' : 'secondFactor.useRecovery')}
    onClick=${() => setRecovery(!recovery)}
  />`;
  return html`<${ActionForm}
    submit=${t('secondFactor.submit')}
    working=${t('signIn.working')}
    before=${before}
    after=${[other && turn, again]}
    act=${({ code }) => act(code)}
  >
    <div ref=${place} key=${recovery}>
      <${CodeField} label=${t(recovery ? 'secondFactor.recoveryCode' : 'secondFactor.code')} recovery=${recovery} />
    </div>
    ${until}
  <//>`;
}
