// A picture of a file that needs the session's cookie; an icon where there is none.

import { checkSession, foreseen, resultPaths } from '../app/api.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { html } from './html.js';
import { Icon } from './icon.js';

const PIXELS = { small: [64, 128], large: [128, 256] }; // of a usual screen, and of one with twice as many

/** `file`: the id of one that has a picture, or null. @param {{file: string | null, alt?: string, size?: 'small' | 'large', icon?: string}} properties */
export function Thumbnail({ file, alt = '', size = 'small', icon = 'file' }) {
  return html`<span class=${`cover ${size}`}>
    <${Picture} file=${file} pixels=${PIXELS[size]} alt=${alt} instead=${html`<${Icon} name=${icon} />`} />
  </span>`;
}

/** The picture alone; `instead` is shown where it cannot be had. */
export function Picture({ file, pixels, alt, instead = null, ...more }) {
  const [tries, setTries] = useState(0);
  useEffect(() => setTries(0), [file]);
  // Once: a session that ended for want of renewal is renewed; what cannot be had then is gone.
  const failed = async () => {
    if (tries > 0) return setTries(2);
    try {
      await checkSession();
      return setTries(1);
    } catch (error) {
      if (!foreseen(error)) throw error;
      return setTries(2);
    }
  };
  if (!file || tries > 1) return instead;
  const [usual, dense = usual] = pixels.map((size) => resultPaths(file).thumbnail(size));
  return html`<img
    key=${tries}
    src=${usual}
    srcset=${dense === usual ? undefined : `${dense} 2x`}
    alt=${alt}
    loading="lazy"
    decoding="async"
    onError=${failed}
    ...${more}
  />`;
}
