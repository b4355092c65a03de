// Forms that send one thing: what is wrong stands above the fields, and nothing is sent twice.

import { ApiError, NetworkError } from '../app/api.js';
import { setText, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { el, fill, icon } from '../ui/dom.js';

const MOST_SECONDS = 90; // beyond that a wait is told in minutes

/** A labelled input; `hint` is a sentence's key. */
export function labelled(key, input, hint) {
  if (!hint) return el('label', { class: 'field' }, el('span', { i18n: key }), input);
  const id = `${input.name}-hint`;
  input.setAttribute('aria-describedby', id);
  return el(
    'div',
    { class: 'field' },
    el('label', { class: 'field' }, el('span', { i18n: key }), input),
    el('span', { class: 'quiet', id, i18n: hint }),
  );
}

/** A password's input. */
export function passwordInput(name, autocomplete) {
  return el('input', { name, type: 'password', autocomplete, required: true, maxlength: 1024 });
}

/** For password managers: whose password it is. */
export function whoseInput(username) {
  return el('input', { name: 'username', autocomplete: 'username', value: username, hidden: true });
}

/** One sentence for what `request` throws; who has to wait is told for how long. */
export function problemSentence(problem) {
  const seconds = problem instanceof ApiError && problem.status === 429 ? Number(problem.problem.retry_after) : 0;
  if (!seconds) return errorText(problem);
  if (seconds <= MOST_SECONDS) return t('signIn.wait', { count: Math.ceil(seconds) });
  return t('signIn.waitMinutes', { count: Math.ceil(seconds / 60) });
}

/**
 * `act()` sends it and goes on; what it throws is said, in the words of `explain(problem)` if it has any:
 * [text function, input]. `check()` says the same before anything is sent. The first of `fields` gets the focus.
 * @param {{submit: string, act: () => Promise<void>, fields?: HTMLElement[], before?: any[], after?: any[],
 *   working?: string, class?: string, check?: () => any, explain?: (problem: any) => any}} options
 * @returns {{element: HTMLElement, focus: HTMLElement, say: (text: () => string, input?: HTMLInputElement) => void}}
 */
export function actionForm({ submit, act, fields = [], before = [], after = [], working = submit, ...more }) {
  const said = el('p', { class: 'notice bad', role: 'alert', hidden: true });
  const send = el('button', { type: 'submit', class: 'button primary wide', i18n: submit });
  const inputs = () => /** @type {HTMLInputElement[]} */ ([...form.querySelectorAll('input:not([hidden])')]);

  function say(text, input = inputs()[0]) {
    said.hidden = false;
    fill(said, icon('alert'), el('span', { i18n: ['format.text', { text }] }));
    input?.select();
    input?.focus();
  }

  async function onSubmit(event) {
    event.preventDefault();
    said.hidden = true;
    const wrong = more.check?.();
    if (wrong) return say(...wrong);
    send.disabled = true;
    setText(send, working);
    try {
      await act();
    } catch (problem) {
      if (!(problem instanceof ApiError || problem instanceof NetworkError)) throw problem;
      return say(...(more.explain?.(problem) || [() => problemSentence(problem)]));
    } finally {
      send.disabled = false;
      setText(send, submit);
    }
    return undefined;
  }

  const form = el(
    'form',
    // Only without script would the browser itself send this, and then not in an address.
    { class: more.class ?? 'card sign-in', method: 'post', on: { submit: onSubmit } },
    ...before,
    said,
    ...fields,
    send,
    ...after,
  );
  return { element: form, focus: inputs()[0] ?? send, say };
}
