// The second step of a sign-in: a code, or the authenticator that a group demands.

import { currentLanguage, setText, t } from '../app/i18n.js';
import { completeSignIn, enrol } from '../app/session.js';
import { button, el } from '../ui/dom.js';
import { authenticatorPanel } from './authenticator.js';
import { codeInput, takeDigits, takeRecovery } from './code-input.js';
import { actionForm, labelled } from './forms.js';

const untilWhen = (challenge) =>
  el('p', { class: 'quiet', i18n: ['secondFactor.until', { time: () => clock(challenge.until) }] });

function clock(moment) {
  return new Intl.DateTimeFormat(currentLanguage(), { timeStyle: 'short' }).format(moment);
}

function again(onOver) {
  return button('secondFactor.startAgain', null, () => onOver(), { class: 'link-button' });
}

// What is over begins anew; anything else keeps the step.
function orOver(act, onOver) {
  return async (...given) => {
    try {
      await act(...given);
    } catch (problem) {
      if (problem.code !== 'challenge-over') throw problem;
      onOver(problem);
    }
  };
}

/** Asks for the code. `onDone(recovery codes)`; `onOver(problem)` when the sign-in has to begin anew. */
export function codeStep(challenge, { onDone, onOver }) {
  const input = codeInput();
  const label = labelled('secondFactor.code', input);
  const hint = el('p', { i18n: 'secondFactor.why' });
  const other = button('secondFactor.useRecovery', null, turn, { class: 'link-button' });
  let recovery = false;

  function turn() {
    recovery = !recovery;
    (recovery ? takeRecovery : takeDigits)(input);
    setText(label.firstElementChild, recovery ? 'secondFactor.recoveryCode' : 'secondFactor.code');
    setText(hint, recovery ? 'secondFactor.whyRecovery' : 'secondFactor.why');
    setText(other.firstElementChild, recovery ? 'secondFactor.useApp' : 'secondFactor.useRecovery');
    input.value = '';
    input.focus();
  }

  return actionForm({
    submit: 'secondFactor.submit',
    working: 'signIn.working',
    before: [el('h1', { tabindex: -1, i18n: 'secondFactor.heading' }), hint],
    fields: [label, untilWhen(challenge)],
    after: [challenge.methods.includes('recovery_code') && other, again(onOver)].filter(Boolean),
    act: orOver(async () => onDone(await completeSignIn(challenge.challenge_token, input.value)), onOver),
  });
}

/** Before an authenticator is made: why there must be one. `onMade(authenticator)`. */
export function enrolStep(challenge, { onMade, onOver }) {
  return actionForm({
    submit: 'secondFactor.setUp',
    before: [
      el('h1', { tabindex: -1, i18n: 'secondFactor.setUpHeading' }),
      el('p', { i18n: 'secondFactor.required' }),
      el('p', { i18n: 'secondFactor.apps' }),
      untilWhen(challenge),
    ],
    after: [again(onOver)],
    act: orOver(async () => onMade(await enrol(challenge.challenge_token)), onOver),
  });
}

/** Shows the new authenticator and asks for its first code. */
export function firstCodeStep(challenge, made, { onDone, onOver }) {
  return firstCodeForm(made, {
    act: orOver(async (code) => onDone(await completeSignIn(challenge.challenge_token, code)), onOver),
    more: [untilWhen(challenge)],
    after: [again(onOver)],
  });
}

/** The same, whatever the code is for. `act(code)`. */
export function firstCodeForm(made, { act, more = [], after = [], heading = 'h1', ...rest }) {
  const input = codeInput();
  const title = el(heading, { tabindex: -1, i18n: 'secondFactor.setUpHeading' });
  const form = actionForm({
    ...rest,
    submit: 'secondFactor.confirm',
    before: [
      title,
      el('p', { i18n: 'secondFactor.scan' }),
      authenticatorPanel(made),
    ],
    fields: [labelled('secondFactor.firstCode', input), ...more],
    after,
    act: () => act(input.value),
    explain: (problem) => problem.code === 'wrong-code' && [() => t('secondFactor.wrongFirst'), input],
  });
  // The picture comes before the field, and small screens show one of them.
  return { ...form, focus: title };
}
