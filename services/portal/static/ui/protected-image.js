// An image that needs the session's cookie.

import { NetworkError, ApiError, checkSession } from '../app/api.js';
import { el } from './dom.js';

/** An `<img>` that renews the session once when it cannot load; what stays unloadable is marked `missing`. */
export function protectedImage(source, alt, attributes = {}) {
  const image = el('img', { src: source, alt, loading: 'lazy', decoding: 'async', ...attributes });
  image.addEventListener('error', () => reload(image, source), { once: true });
  return image;
}

async function reload(image, source) {
  image.addEventListener('error', () => image.classList.add('missing'), { once: true });
  try {
    await checkSession();
    image.src = source;
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof NetworkError)) throw error;
    image.classList.add('missing');
  }
}
