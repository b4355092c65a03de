// Name and mail address. Another address takes the password: links for another password are sent there.

import { t } from '../app/i18n.js';
import { changeProfile } from '../app/session.js';
import { toast } from '../app/toasts.js';
import { ActionForm } from '../ui/action-form.js';
import { Field } from '../ui/field.js';
import { html } from '../ui/html.js';
import { useState } from '../vendor/hooks.mjs';
import { PresentPassword, wrongPassword } from './fields.js';
import { Section } from './section.js';

export function Profile({ user }) {
  const [email, setEmail] = useState(user.email);
  const moved = email.trim() !== user.email;
  const act = async ({ first_name, last_name, password }) => {
    const names = { first_name: first_name.trim(), last_name: last_name.trim() };
    await changeProfile(moved ? { ...names, email: email.trim(), current_password: password } : names);
    toast(t('profile.saved'));
  };
  return html`<${Section} id="profile" heading=${t('profile.heading')}>
    <${ActionForm} class="account-form" focus="none" submit=${t('profile.save')} explain=${wrongPassword()} act=${act}>
      <${Field}
        name="first_name"
        label=${t('profile.firstName')}
        autocomplete="given-name"
        maxlength="150"
        defaultValue=${user.first_name}
      />
      <${Field}
        name="last_name"
        label=${t('profile.lastName')}
        autocomplete="family-name"
        maxlength="150"
        defaultValue=${user.last_name}
      />
      <${Field}
        name="email"
        type="email"
        label=${t('profile.email')}
        autocomplete="email"
        maxlength="254"
        value=${email}
        onInput=${(event) => setEmail(event.currentTarget.value)}
      />
      ${moved &&
      html`<p class="quiet">${t('profile.emailPassword')}</p>
        <${PresentPassword} username=${user.username} />`}
    <//>
  <//>`;
}
