// Recovery codes, shown once: to be kept before anything goes on.

import { t } from '../app/i18n.js';
import { saveBlob } from '../app/saving.js';
import { ActionForm } from '../ui/action-form.js';
import { Button } from '../ui/button.js';
import { Copy } from '../ui/copy.js';
import { html } from '../ui/html.js';

function save(codes) {
  const text = `${t('app.name')}\n${window.location.origin}\n\n${codes.join('\n')}\n`;
  saveBlob(new Blob([text], { type: 'text/plain' }), t('recovery.file'));
}

/** `onKept()` follows when the reader says so. */
export function RecoveryCodes({ codes, onKept, heading = 'h1', ...more }) {
  // What is to be read comes first.
  const before = html`<${heading} tabindex="-1" data-first>${t('recovery.heading')}<//>
    <p>${t('recovery.why')}</p>
    <ol class="recovery-codes" id="recovery-codes">
      ${codes.map((code) => html`<li key=${code}><code>${code}</code></li>`)}
    </ol>
    <div class="button-row">
      <${Copy} text=${codes.join('\n')} />
      <${Button} label=${t('recovery.save')} icon="download" small onClick=${() => save(codes)} />
      <${Button} label=${t('recovery.print')} small onClick=${() => window.print()} />
    </div>`;
  return html`<${ActionForm}
    submit=${t('recovery.goOn')}
    focus="first"
    before=${before}
    check=${({ kept }) => kept !== 'on' && [() => t('recovery.keepFirst'), 'kept']}
    act=${() => onKept()}
    ...${more}
  >
    <label class="check"><input type="checkbox" name="kept" /><span>${t('recovery.kept')}</span></label>
  <//>`;
}
