// What stands in place of data: while they come, when there are none, when they cannot be had.

import { errorText, problemCode, problemDetail } from '../app/problems.js';
import { t } from '../app/i18n.js';
import { toast } from '../app/toasts.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { Button } from './button.js';
import { html } from './html.js';
import { Icon } from './icon.js';

const PATIENCE = 150; // milliseconds: what comes sooner needs no placeholder

/** Grey bars, once it takes noticeably long. */
export function Skeleton({ lines = 6 }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), PATIENCE);
    return () => clearTimeout(timer);
  }, []);
  return html`<div class="skeleton" role="status" aria-label=${t('app.loading')}>
    ${shown && Array.from({ length: lines }, () => html`<div class="skeleton-line"></div>`)}
  </div>`;
}

/** Nothing here: why, and what to do. */
export function Empty({ icon = 'info', text, heading = '', children = null }) {
  return html`<div class="empty-state">
    <${Icon} name=${icon} large />
    ${heading && html`<h1 tabindex="-1">${heading}</h1>`}
    <p>${text}</p>
    ${children}
  </div>`;
}

/** What is wrong, in the place of the data, or `text`; the code and the trace can be copied for who looks after the system. */
export function ErrorState({ error, retry = null, heading = '', text = errorText(error) }) {
  const trace = error.problem?.trace_id;
  const code = [problemCode(error), trace].filter(Boolean).join(' · ');
  const copy = async () => {
    await navigator.clipboard.writeText(code);
    toast(t('error.copied'));
  };
  return html`<div class="error-state" role="alert">
    <${Icon} name="alert" large />
    ${heading && html`<h1 tabindex="-1">${heading}</h1>`}
    <p>${text}</p>
    ${problemDetail(error) && html`<p class="quiet" lang="en">${problemDetail(error)}</p>`}
    <div class="button-row">
      ${retry && html`<${Button} label=${t('error.retry')} icon="retry" onClick=${retry} />`}
      ${code &&
      navigator.clipboard &&
      html`<${Button} label=${t('error.copy')} icon="copy" onClick=${copy} />`}
    </div>
    ${code && html`<p class="quiet"><code>${code}</code></p>`}
  </div>`;
}
