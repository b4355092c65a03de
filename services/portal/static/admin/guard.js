// Nobody loses what they typed by a click elsewhere: the page asks first, and so does the browser.

import { t } from '../app/i18n.js';
import { guardLeaving } from '../app/router.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { useLayoutEffect, useState } from '../vendor/hooks.mjs';

/** @param {{dirty: boolean}} properties */
export function LeaveGuard({ dirty }) {
  const [goOn, setGoOn] = useState(/** @type {{leave: () => void} | null} */ (null));
  // Before it is drawn: whoever sees what they typed may leave at once.
  useLayoutEffect(() => {
    if (!dirty) return undefined;
    const onUnload = (event) => event.preventDefault(); // the browser asks in its own words
    window.addEventListener('beforeunload', onUnload);
    const stop = guardLeaving((leave) => {
      setGoOn({ leave });
      return true;
    });
    return () => {
      stop();
      window.removeEventListener('beforeunload', onUnload);
    };
  }, [dirty]);
  if (goOn === null) return null;
  const buttons = html`
    <${Button} label=${t('admin.discard')} class="danger" onClick=${() => goOn.leave()} />
    <${Button} label=${t('admin.goOnEditing')} kind="primary" onClick=${() => setGoOn(null)} />
  `;
  return html`<${Dialog} heading=${t('admin.unsaved')} onClose=${() => setGoOn(null)} actions=${buttons}>
    <p>${t('admin.unsavedText')}</p>
  <//>`;
}
