// A small picture that needs the session's cookie; an icon where there is none.

import { ApiError, checkSession, NetworkError } from '../app/api.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { Icon } from './icon.js';

/** @param {{source: string | null, alt?: string, size?: 'small' | 'large', icon?: string}} properties */
export function Thumbnail({ source, alt = '', size = 'small', icon = 'file' }) {
  const [tries, setTries] = useState(0);
  useEffect(() => setTries(0), [source]);
  // Once: a session that ended for want of renewal is renewed; what cannot be had then stays an icon.
  const failed = async () => {
    if (tries > 0) return setTries(2);
    try {
      await checkSession();
      return setTries(1);
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
      return setTries(2);
    }
  };
  return html`<span class=${`cover ${size}`}>
    ${source && tries < 2
      ? html`<img key=${tries} src=${source} alt=${alt} loading="lazy" decoding="async" onError=${failed} />`
      : html`<${Icon} name=${icon} />`}
  </span>`;
}
