// The banner that says the network is gone.

import { announce } from './announce.js';
import { t } from './i18n.js';

/** Show and hide the banner as the browser loses and finds the network. */
export function watchConnection() {
  const banner = document.getElementById('offline');
  const show = (offline) => {
    banner.hidden = !offline;
  };
  window.addEventListener('offline', () => (show(true), announce(t('offline.lost'))));
  window.addEventListener('online', () => (show(false), announce(t('offline.back'))));
  show(!navigator.onLine);
}
