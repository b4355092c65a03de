// One's own second factor: set up, recovery codes, removed.

import { ApiError, NetworkError, request } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { problemText } from '../app/problems.js';
import { t } from '../app/i18n.js';
import { button, el, fill } from '../ui/dom.js';
import { codeInput } from './code-input.js';
import { actionForm, labelled, passwordInput, problemSentence, whoseInput } from './forms.js';
import { recoveryCodesForm } from './recovery-codes.js';
import { firstCodeForm } from './second-step.js';

const FACTOR = '/api/auth/totp';
const INSIDE = { class: 'account-form', heading: 'h3' };
const FEW = 3; // recovery codes: renew them

/** The section of the account's page. */
export function secondFactorSection(user, signal) {
  const heading = el('h2', { tabindex: -1, i18n: 'factor.heading' });
  const body = el('div', { class: 'account-body' });

  function show(form) {
    fill(body, form.element);
    form.focus.focus();
  }

  async function load({ focus = false } = {}) {
    try {
      fill(body, ...stateOf(await request(FACTOR, { signal })));
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      if (!(problem instanceof ApiError || problem instanceof NetworkError)) throw problem;
      const text = { i18n: ['format.text', { text: () => problemSentence(problem) }] };
      fill(body, el('p', text), button('error.retry', 'retry', () => load(), { class: 'button small' }));
    }
    if (focus) heading.focus();
  }

  const back = () => button('accountPage.cancel', null, () => load({ focus: true }), { class: 'button wide' });
  const kept = (codes) => show(recoveryCodesForm(codes, { ...INSIDE, onKept: () => load({ focus: true }) }));

  function stateOf({ enabled, confirmed_at: since, recovery_codes_left: left, required }) {
    if (!enabled) {
      return [
        el('p', { i18n: required ? 'factor.offRequired' : 'factor.off' }),
        button('secondFactor.setUp', null, askPassword, { class: 'button primary' }),
      ];
    }
    return [
      el('p', { i18n: ['factor.on', { since: () => formatTime(since) }] }),
      el('p', { class: left < FEW ? 'notice' : '', i18n: ['factor.codesLeft', { count: left }] }),
      required && el('p', { class: 'quiet', i18n: 'factor.cannotRemove' }),
      el(
        'div',
        { class: 'button-row start' },
        button('factor.renew', null, renew),
        !required && button('factor.remove', null, remove),
      ),
    ];
  }

  function askPassword() {
    const password = passwordInput('password', 'current-password');
    show(
      actionForm({
        ...INSIDE,
        submit: 'secondFactor.goOn',
        before: [el('p', { i18n: 'secondFactor.apps' })],
        fields: [whoseInput(user.username), labelled('password.current', password)],
        after: [back()],
        explain: wrongPassword(password),
        act: async () => enrol(await request(FACTOR, { method: 'POST', json: { password: password.value } })),
      }),
    );
  }

  function enrol(made) {
    const act = async (code) => {
      const json = { code };
      kept((await request(`${FACTOR}/confirm`, { method: 'POST', json })).recovery_codes);
    };
    show(firstCodeForm(made, { ...INSIDE, act, after: [back()] }));
  }

  // What takes the password and a code.
  function proved({ submit, text, act }) {
    const password = passwordInput('password', 'current-password');
    const code = codeInput();
    show(
      actionForm({
        ...INSIDE,
        submit,
        before: [el('p', { i18n: text })],
        fields: [
          whoseInput(user.username),
          labelled('password.current', password),
          labelled('factor.anyCode', code),
        ],
        after: [back()],
        explain: (problem) =>
          problem.code === 'wrong-code'
            ? [() => problemText('wrong-code'), code]
            : wrongPassword(password)(problem),
        act: () => act({ password: password.value, code: code.value }),
      }),
    );
  }

  function renew() {
    proved({
      submit: 'factor.renew',
      text: 'factor.renewText',
      act: async (json) =>
        kept((await request(`${FACTOR}/recovery-codes`, { method: 'POST', json })).recovery_codes),
    });
  }

  function remove() {
    proved({
      submit: 'factor.remove',
      text: 'factor.removeText',
      act: async (json) => {
        await request(FACTOR, { method: 'DELETE', json });
        await load({ focus: true });
      },
    });
  }

  load();
  return el('section', { class: 'card account-section', id: 'second-factor' }, heading, body);
}

/** The same words wherever the present password is asked for. */
export function wrongPassword(input) {
  return (problem) => problem.code === 'wrong-credentials' && [() => t('password.wrong'), input];
}
