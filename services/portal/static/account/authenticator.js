// A new authenticator: its QR code, and the same to be typed or opened on this device.

import { announce } from '../app/announce.js';
import { t } from '../app/i18n.js';
import { button, el, svg } from '../ui/dom.js';

/** `made`: {secret, otpauth_uri, qr: {size, path}}. */
export function authenticatorPanel({ secret, otpauth_uri: uri, qr }) {
  return el(
    'div',
    { class: 'authenticator' },
    svg(
      'svg',
      { class: 'qr', viewBox: `0 0 ${qr.size} ${qr.size}`, role: 'img', i18nLabel: 'secondFactor.qr' },
      svg('rect', { width: qr.size, height: qr.size, fill: '#fff' }),
      svg('path', { d: qr.path, fill: '#000' }),
    ),
    el('a', { class: 'authenticator-open', href: uri, i18n: 'secondFactor.openApp' }),
    el('p', { class: 'quiet', i18n: 'secondFactor.typeSecret' }),
    el(
      'p',
      { class: 'secret' },
      el('code', { id: 'secret' }, secret.replace(/(.{4})(?=.)/g, '$1 ')),
      copyButton('secondFactor.copySecret', secret),
    ),
  );
}

/** Copies `text`; nothing where the browser keeps the clipboard from pages. */
export function copyButton(key, text) {
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    announce(t('secondFactor.copied'));
  };
  return navigator.clipboard && button(key, null, copy, { class: 'button small' });
}
