// Recovery codes, shown once: to be kept before anything goes on.

import { t } from '../app/i18n.js';
import { button, el } from '../ui/dom.js';
import { copyButton } from './authenticator.js';
import { actionForm } from './forms.js';

function save(codes) {
  const text = `${t('app.name')}\n${window.location.origin}\n\n${codes.join('\n')}\n`;
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  el('a', { href: url, download: t('recovery.file') }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it after the click
}

/** `onKept()` follows when the reader says so. */
export function recoveryCodesForm(codes, { onKept, heading = 'h1', ...more }) {
  const kept = el('input', { type: 'checkbox', name: 'kept' });
  const title = el(heading, { tabindex: -1, i18n: 'recovery.heading' });
  const form = actionForm({
    ...more,
    submit: 'recovery.goOn',
    before: [
      title,
      el('p', { i18n: 'recovery.why' }),
      el('ol', { class: 'recovery-codes', id: 'recovery-codes' }, codes.map((code) => el('li', {}, el('code', {}, code)))),
      el(
        'div',
        { class: 'button-row' },
        copyButton('recovery.copy', codes.join('\n')),
        button('recovery.save', 'download', () => save(codes), { class: 'button small' }),
        button('recovery.print', null, () => window.print(), { class: 'button small' }),
      ),
    ],
    fields: [el('label', { class: 'check' }, kept, el('span', { i18n: 'recovery.kept' }))],
    check: () => !kept.checked && [() => t('recovery.keepFirst'), kept],
    act: async () => onKept(),
  });
  // What is to be read comes first.
  return { ...form, focus: title };
}
