// Forms that send one thing: what is wrong stands above the fields, and nothing is sent twice.

import { ApiError, foreseen } from '../app/api.js';
import { t } from '../app/i18n.js';
import { errorText, problemDetail } from '../app/problems.js';
import { useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { Icon } from './icon.js';

const MOST_SECONDS = 90; // beyond that a wait is told in minutes

/** @typedef {[sentence: () => string, field?: string]} Said a sentence for any language, and the field that it is about */

/** One sentence for what `request` throws; who has to wait is told for how long. */
export function problemSentence(problem) {
  const seconds = problem instanceof ApiError && problem.status === 429 ? Number(problem.problem.retry_after) : 0;
  if (!seconds) return [errorText(problem), problem.code === 'invalid-request' && problemDetail(problem)].filter(Boolean).join(' ');
  if (seconds <= MOST_SECONDS) return t('form.wait', { count: Math.ceil(seconds) });
  return t('form.waitMinutes', { count: Math.ceil(seconds / 60) });
}

/**
 * `act(values)` sends the fields by their names and goes on; what it throws is said, in the words of `explain(problem)`
 * if it has any. `check(values)` says the same before anything is sent. `begin`: said from the start. `focus`: the
 * first field, what is marked `data-first`, or nothing.
 * @param {{submit: string, act: (values: Record<string, any>) => unknown, working?: string, before?: any, children?: any,
 *   after?: any, class?: string, kind?: string, check?: (values: any) => Said | false, explain?: (problem: any) => Said | false,
 *   begin?: Said | null, focus?: 'field' | 'first' | 'none', hidden?: boolean}} properties
 */
export function ActionForm({
  submit,
  act,
  working = submit,
  before = null,
  children = null,
  after = null,
  class: extra = 'card sign-in',
  kind = 'primary wide',
  check = () => false,
  explain = () => false,
  begin = null,
  focus = 'field',
  hidden = false,
}) {
  const form = useRef(/** @type {HTMLFormElement} */ (null));
  const [said, setSaid] = useState(/** @type {Said | null} */ (begin));
  const [sending, setSending] = useState(false);
  const fields = () => /** @type {HTMLInputElement[]} */ ([...form.current.querySelectorAll('input:not([hidden])')]);

  useLayoutEffect(() => {
    // What comes late takes the focus from no menu and no dialog that was opened meanwhile.
    const elsewhere = /** @type {HTMLElement | null} */ (document.activeElement?.closest('[role="menu"], dialog'));
    if (focus === 'none' || (elsewhere && !elsewhere.contains(form.current))) return;
    const first = /** @type {HTMLElement} */ (form.current.querySelector('[data-first]'));
    (focus === 'first' ? first : (fields()[0] ?? form.current.querySelector('[type="submit"]')))?.focus();
  }, []);
  // At once: what is typed meanwhile would be selected, and lost to the next key.
  useLayoutEffect(() => {
    if (said === null) return;
    const named = said[1] && /** @type {any} */ (form.current.elements.namedItem(said[1]));
    const field = named || fields()[0];
    field?.select?.();
    field?.focus();
  }, [said]);

  const onSubmit = async (event) => {
    event.preventDefault();
    if (sending) return;
    setSaid(null);
    const values = Object.fromEntries(new FormData(form.current));
    const wrong = check(values);
    if (wrong) {
      setSaid(wrong);
      return;
    }
    setSending(true);
    try {
      await act(values);
    } catch (problem) {
      if (!foreseen(problem)) throw problem;
      setSaid(explain(problem) || [() => problemSentence(problem)]);
    } finally {
      setSending(false);
    }
  };
  // Only without script would the browser itself send this, and then not in an address.
  return html`<form class=${extra} method="post" ref=${form} onSubmit=${onSubmit}>
    ${before}
    ${said !== null && html`<p class="notice bad" role="alert"><${Icon} name="alert" /><span>${said[0]()}</span></p>`}
    ${children}
    <button type="submit" class=${`button ${kind}`} disabled=${sending} hidden=${hidden}>${sending ? working : submit}</button>
    ${after}
  </form>`;
}
