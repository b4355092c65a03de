// What surrounds every page: the bar on top, the way to the pages, the place of the page, toasts.

import { useEffect } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Toasts } from '../ui/toast.js';
import { announce } from './announce.js';
import { useOnline, usePlace, useTexts } from './hooks.js';
import { t } from './i18n.js';

function Offline() {
  const online = useOnline();
  useEffect(() => {
    return online ? undefined : () => announce(t('offline.back'));
  }, [online]);
  return html`<div role="status">${!online && html`<p class="offline">${t('offline.lost')}</p>`}</div>`;
}

/**
 * `entries` lead to pages: [path, sentence, icon]. `tools`: at the end of the bar. `brand`: where its name leads;
 * `local`: whether that is a page of this application.
 * @param {{brand: string, local?: boolean, entries?: {path: string, href: string, label: string, icon: string}[], search?: any, tools?: any, children?: any}} properties
 */
export function Frame({ brand, local = true, entries = [], search = null, tools = null, children }) {
  useTexts();
  const { path } = usePlace();
  return html`
    <a class="skip-link" href="#main">${t('app.skip')}</a>
    <header class=${entries.length > 0 ? 'page-header with-nav' : 'page-header'} data-region>
      <a class="brand" href=${brand} data-route=${local ? '' : undefined} aria-label=${t('app.name')}>
        <img src=${new URL('../favicon.svg', import.meta.url).pathname} alt="" width="32" height="32" />
        <span class="brand-name">${t('app.name')}</span>
      </a>
      ${entries.length > 0 &&
      html`<nav class="site-nav" data-region aria-label=${t('nav.label')}>
        ${entries.map(
          (entry) =>
            html`<a
              key=${entry.path}
              href=${entry.href}
              data-route
              aria-current=${path === entry.path || path.startsWith(`${entry.path}/`) ? 'page' : undefined}
            >
              <${Icon} name=${entry.icon} /><span>${entry.label}</span>
            </a>`,
        )}
      </nav>`}
      ${search}
      <div class="header-tools">${tools}</div>
    </header>
    <${Offline} />
    <main id="main" tabindex="-1" data-region>${children}</main>
    <${Toasts} />
  `;
}
