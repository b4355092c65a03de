// A new authenticator: its QR code, the same to be typed or opened on this device, and the field for its first code.

import { t } from '../app/i18n.js';
import { ActionForm } from '../ui/action-form.js';
import { Copy } from '../ui/copy.js';
import { html } from '../ui/html.js';
import { CodeField } from './fields.js';

/** `made`: {secret, otpauth_uri, qr: {size, path}}. */
function Authenticator({ made: { secret, otpauth_uri: uri, qr } }) {
  return html`<div class="authenticator">
    <svg class="qr" viewBox=${`0 0 ${qr.size} ${qr.size}`} role="img" aria-label=${t('secondFactor.qr')}>
      <rect width=${qr.size} height=${qr.size} fill="#fff" />
      <path d=${qr.path} fill="#000" />
    </svg>
    <a class="authenticator-open" href=${uri}>${t('secondFactor.openApp')}</a>
    <p class="quiet">${t('secondFactor.typeSecret')}</p>
    <p class="secret">
      <code id="secret">${secret.replace(/(.{4})(?=.)/g, '$1 ')}</code>
      <${Copy} text=${secret} label=${t('secondFactor.copySecret')} />
    </p>
  </div>`;
}

/** Shows it and asks for its first code. `act(code)`; `more` stands below the field, the rest goes to the form. */
export function FirstCode({ made, act, more = null, heading = 'h1', ...rest }) {
  // The picture comes before the field, and small screens show one of them.
  const before = html`<${heading} tabindex="-1" data-first>${t('secondFactor.setUpHeading')}<//>
    <p>${t('secondFactor.scan')}</p>
    <${Authenticator} made=${made} />`;
  return html`<${ActionForm}
    submit=${t('secondFactor.confirm')}
    focus="first"
    before=${before}
    explain=${(problem) => problem.code === 'wrong-code' && [() => t('secondFactor.wrongFirst'), 'code']}
    act=${({ code }) => act(code)}
    ...${rest}
  >
    <${CodeField} label=${t('secondFactor.firstCode')} />${more}
  <//>`;
}
