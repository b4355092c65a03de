// Whole-page messages: nothing here.

import { listAddress } from '../app/addresses.js';
import { useTitle } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { LinkButton } from './button.js';
import { html } from './html.js';

/** No page at this address. */
export function NotFound() {
  useTitle(() => t('notFound.heading'));
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useLayoutEffect(() => heading.current.focus(), []);
  return html`<section class="card message">
    <h1 tabindex="-1" ref=${heading}>${t('notFound.heading')}</h1>
    <p>${t('notFound.text')}</p>
    <${LinkButton} href=${listAddress()} label=${t('notFound.back')} kind="primary" />
  </section>`;
}
