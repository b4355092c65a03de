// What a link's page says before it is open, when it cannot be, and above what it opens.

import { ApiError } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { useTitle } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { ActionForm, problemSentence } from '../ui/action-form.js';
import { Button } from '../ui/button.js';
import { Field } from '../ui/field.js';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { useLayoutEffect, useRef } from '../vendor/hooks.mjs';

linkSheet(new URL('./link.css', import.meta.url));

function sentence(problem) {
  return problem instanceof ApiError && problem.status === 404 ? t('link.unknown') : problemSentence(problem);
}

/**
 * Asks for the link's password; `open(password)` throws ApiError or NetworkError when it does not open.
 * @param {{initials?: string, open: (password: string) => Promise<void>}} properties
 */
export function LinkPassword({ initials, open }) {
  useTitle(() => t('link.passwordHeading'));
  const before = html`<h1 tabindex="-1">${t('link.passwordHeading')}</h1>
    ${initials && html`<p>${t('link.initials', { initials })}</p>`}
    <p>${t('link.passwordText')}</p>`;
  return html`<${ActionForm}
    submit=${t('link.open')}
    before=${before}
    explain=${(problem) => [() => sentence(problem), 'password']}
    act=${({ password }) => open(password)}
  >
    <${Field} name="password" type="password" label=${t('link.password')} autocomplete="off" required maxlength="1024" />
  <//>`;
}

/** Says why nothing can be seen here; `retry()`, if given, tries once more. */
export function LinkOver({ problem, retry }) {
  const over = problem instanceof ApiError && [401, 404].includes(problem.status);
  const name = over ? 'link.overHeading' : 'error.heading';
  useTitle(() => t(name));
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useLayoutEffect(() => heading.current.focus(), [problem]);
  return html`<section class="card message">
    <h1 tabindex="-1" ref=${heading}>${t(name)}</h1>
    <p role="alert">${sentence(problem)}</p>
    ${!over && retry && html`<${Button} label=${t('error.retry')} icon="retry" kind="primary" onClick=${retry} />`}
  </section>`;
}

/** Until when it can be seen, and how to close it. */
export function LinkNotice({ opened, onClose }) {
  const name = opened.download ? 'link.noticeDownload' : 'link.notice';
  return html`<section class="card link-notice" aria-label=${t('link.heading')}>
    <p>${t(name, { until: () => formatTime(opened.expires_at) })}</p>
    <${Button} label=${t('link.close')} icon="close" small onClick=${onClose} />
  </section>`;
}
