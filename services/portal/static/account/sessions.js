// Where one is signed in, and the way to end it elsewhere.

import { ApiError, foreseen, request } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { useLoaded } from '../app/use-loaded.js';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { useState } from '../vendor/hooks.mjs';
import { loadedOr, Section } from './section.js';
import { deviceName } from './user-agent.js';

const OWN = '/api/auth/me/sessions';

async function end({ id }) {
  try {
    await request(`${OWN}/${encodeURIComponent(id)}`, { method: 'DELETE' });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error; // it was over already
  }
}

export function Sessions() {
  const loaded = useLoaded(`${OWN}?limit=100`);
  const [ending, setEnding] = useState(false);
  const all = loaded.data?.sessions ?? [];
  const others = all.filter((session) => !session.current);
  const endAll = async (sessions) => {
    setEnding(true);
    try {
      for (const session of sessions) await end(session);
      toast(t('sessions.ended', { count: sessions.length }));
    } catch (error) {
      if (!foreseen(error)) throw error;
      toast(errorText(error), 'bad');
    }
    setEnding(false);
    loaded.reload();
  };
  return html`<${Section} id="sessions" heading=${t('sessions.heading')}>
    ${loadedOr(
      loaded,
      () => html`<ul class="account-list">
        ${all.map((session) => html`<${Session} key=${session.id} session=${session} ending=${ending} onEnd=${() => endAll([session])} />`)}
      </ul>
      ${others.length > 0 &&
      html`<div class="button-row start">
        <${Button} label=${t('sessions.endOthers')} disabled=${ending} onClick=${() => endAll(others)} />
      </div>`}`,
    )}
  <//>`;
}

function Session({ session, ending, onEnd }) {
  return html`<li>
    <div>
      <bdi class="account-entry" title=${session.user_agent}>${session.application ?? (deviceName(session.user_agent) || t('sessions.unknown'))}</bdi>
      ${session.current && html` <span class="badge tone-good">${t('sessions.current')}</span>`}
      <p class="quiet">
        ${[
          session.application !== null && deviceName(session.user_agent),
          session.remote_address,
          t('sessions.since', { time: () => formatTime(session.created_at) }),
          t('sessions.used', { time: () => formatTime(session.last_used_at) }),
        ]
          .filter(Boolean)
          .join(' · ')}
      </p>
    </div>
    ${!session.current && html`<${Button} label=${t('sessions.end')} small disabled=${ending} onClick=${onEnd} />`}
  </li>`;
}
