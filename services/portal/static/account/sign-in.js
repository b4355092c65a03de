// The sign-in view: password, provider, second step. It takes the place of any view without changing the address.

import { pageAddress } from '../app/addresses.js';
import { ApiError } from '../app/api.js';
import { t } from '../app/i18n.js';
import { problemText } from '../app/problems.js';
import { signIn } from '../app/session.js';
import { el, fill } from '../ui/dom.js';
import { actionForm, labelled, passwordInput } from './forms.js';
import { providerButtons } from './providers.js';
import { recoveryCodesForm } from './recovery-codes.js';
import { returnedChallenge, returnedProblem } from './returned.js';
import { codeStep, enrolStep, firstCodeStep } from './second-step.js';

/** The address that says how a sign-in with a provider ended. */
const SIGN_IN = '/sign-in';

/** `onSignedIn()` follows a success; `ended` and `reset` say why the reader is asked again. */
export function signInView({ ended = false, reset = false, onSignedIn }) {
  const why = (reset && 'reset.done') || (ended && 'signIn.ended');
  const place = el('div');
  let timer = 0;
  let focus = null;

  function show(step) {
    fill(place, step.element);
    focus = step.focus;
    focus.focus();
  }

  function begin(problem) {
    clearTimeout(timer);
    const step = passwordStep({ why: !problem && why, onSignedIn: done, onChallenge: ask });
    show(step);
    if (problem) step.say(problem);
    return step;
  }

  function done(recoveryCodes = []) {
    clearTimeout(timer);
    if (recoveryCodes.length === 0) onSignedIn();
    else show(recoveryCodesForm(recoveryCodes, { onKept: onSignedIn }));
  }

  function ask(answer) {
    const challenge = { ...answer, until: Date.now() + answer.expires_in * 1000 };
    const onOver = (problem) => begin(problem && (() => problemText('challenge-over')));
    const steps = { onDone: done, onOver };
    timer = setTimeout(() => place.isConnected && onOver(true), answer.expires_in * 1000);
    if (!challenge.methods.includes('enrol')) show(codeStep(challenge, steps));
    else show(enrolStep(challenge, { onOver, onMade: (made) => show(firstCodeStep(challenge, made, steps)) }));
  }

  const begun = returnedChallenge(); // by a provider: it says who, and the rest is asked here
  if (begun) ask(begun);
  else begin(window.location.pathname === pageAddress(SIGN_IN) ? returnedProblem() : null);
  return { element: place, title: () => t('signIn.heading'), focus };
}

function passwordStep({ why, onSignedIn, onChallenge }) {
  const username = el('input', {
    name: 'username',
    autocomplete: 'username',
    required: true,
    maxlength: 150,
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  const password = passwordInput('password', 'current-password');
  const form = actionForm({
    submit: 'signIn.submit',
    working: 'signIn.working',
    before: [
      el('h1', { tabindex: -1, i18n: 'signIn.heading' }),
      why && el('p', { class: 'notice', role: 'status', i18n: why }),
    ].filter(Boolean),
    fields: [
      el(
        'div',
        { class: 'sign-in-password' },
        labelled('signIn.username', username),
        labelled('signIn.password', password),
      ),
    ],
    after: [
      el('a', {
        class: 'sign-in-forgotten',
        href: pageAddress('/forgotten-password'),
        'data-route': true,
        i18n: 'signIn.forgotten',
      }),
    ],
    act: async () => {
      const challenge = await signIn(username.value.trim(), password.value);
      if (challenge) onChallenge(challenge);
      else onSignedIn();
    },
    explain: (problem) => {
      const wrong = problem instanceof ApiError && [400, 401].includes(problem.status);
      return wrong ? [() => t('signIn.wrong'), password] : undefined;
    },
  });
  providerButtons(form.element);
  return form;
}
