// One's own password: asked for before anything else is open, or changed from the account.

import { useTitle } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { changePassword } from '../app/session.js';
import { ActionForm } from '../ui/action-form.js';
import { html } from '../ui/html.js';
import { ChosenPassword, differ, PresentPassword, wrongPassword } from './fields.js';

/** Why a new password is not good enough. */
export function refusal(problem) {
  return problem.status === 400 && [() => errorText(problem), 'chosen'];
}

/** `onChanged()` follows a success; `more` goes to the form. */
export function PasswordForm({ username, onChanged, ...more }) {
  const act = async ({ current, chosen }) => {
    await changePassword(current, chosen);
    onChanged();
  };
  return html`<${ActionForm}
    submit=${t('password.submit')}
    working=${t('password.working')}
    check=${differ}
    explain=${(problem) => wrongPassword('current')(problem) || refusal(problem)}
    act=${act}
    ...${more}
  >
    <${PresentPassword} username=${username} name="current" /><${ChosenPassword} />
  <//>`;
}

/** Takes the place of any page, like the sign-in. */
export function ChangePassword({ username, onChanged }) {
  useTitle(() => t('password.heading'));
  const before = html`<h1 tabindex="-1">${t('password.heading')}</h1>
    <p>${t('password.why')}</p>`;
  return html`<${PasswordForm} username=${username} onChanged=${onChanged} before=${before} />`;
}
