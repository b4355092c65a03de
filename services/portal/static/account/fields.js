// Fields that several of the account's forms have.

import { t } from '../app/i18n.js';
import { Field } from '../ui/field.js';
import { html } from '../ui/html.js';

/** @param {{name: string, label: string, autocomplete: string, hint?: string}} properties */
export function PasswordField({ name, label, autocomplete, hint = '' }) {
  return html`<${Field}
    name=${name}
    label=${label}
    hint=${hint}
    type="password"
    autocomplete=${autocomplete}
    required
    maxlength="1024"
  />`;
}

/** The reader's present password; for password managers, whose it is. */
export function PresentPassword({ username, name = 'password' }) {
  return html`<input autocomplete="username" value=${username} hidden readonly />
    <${PasswordField} name=${name} label=${t('password.current')} autocomplete="current-password" />`;
}

/** A new password, twice. */
export function ChosenPassword() {
  return html`<${PasswordField}
      name="chosen"
      label=${t('password.chosen')}
      hint=${t('password.hint')}
      autocomplete="new-password"
    />
    <${PasswordField} name="again" label=${t('password.again')} autocomplete="new-password" />`;
}

/** One field for a code: six digits of an app, or a recovery code. Spaces and hyphens are the reader's own business. */
export function CodeField({ label, recovery = false }) {
  return html`<${Field}
    name="code"
    class="code"
    label=${label}
    inputmode=${recovery ? 'text' : 'numeric'}
    autocomplete=${recovery ? 'off' : 'one-time-code'}
    placeholder=${recovery ? 'xxxx-xxxx-xxxx-xxxx' : undefined}
    required
    maxlength="64"
    autocapitalize="none"
    spellcheck="false"
  />`;
}

/** For `check`: two new passwords that differ. */
export function differ({ chosen, again }) {
  return chosen !== again && [() => t('password.differ'), 'again'];
}

/** For `explain`: the same words wherever the present password is asked for. */
export function wrongPassword(name = 'password') {
  return (problem) => problem.code === 'wrong-credentials' && [() => t('password.wrong'), name];
}
