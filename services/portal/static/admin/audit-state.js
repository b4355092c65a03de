// How far the log is sealed, and how much waits to be.

import { foreseenOrStopped, request } from '../app/api.js';
import { formatTime } from '../app/format.js';
import { t } from '../app/i18n.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { useEffect, useState } from '../vendor/hooks.mjs';

export function AuditState() {
  const [state, setState] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const leaving = new AbortController();
    request('/api/auth/audit/state', { signal: leaving.signal }).then(setState, (error) => {
      // The list below says what is wrong.
      if (!foreseenOrStopped(error)) throw error;
    });
    return () => leaving.abort();
  }, []);
  if (state === null) return null;
  const { sealed, proved, waiting } = state;
  const lines = [
    sealed === null ? t('audit.nothingSealed') : t('audit.sealed', { seq: sealed.last_seq, time: formatTime(sealed.sealed_at) }),
    proved === null ? t('audit.notProved') : t(proved.whole ? 'audit.proved' : 'audit.broken', { seq: proved.last_seq, time: formatTime(proved.proved_at) }),
    waiting > 0 && t('audit.waiting', { count: waiting }),
  ].filter(Boolean);
  return html`<div class=${proved && !proved.whole ? 'notice bad' : 'notice'} role="status">
    <${Icon} name=${proved && !proved.whole ? 'alert' : 'shield'} />
    <div>${lines.map((line) => html`<p key=${line}>${line}</p>`)}</div>
  </div>`;
}
