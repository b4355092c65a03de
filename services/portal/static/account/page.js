// The page of one's account.

import { html } from '../ui/html.js';
import { Mounted } from '../ui/mounted.js';
import { accountView } from './account-page.js';

export function View({ work, place }) {
  return html`<${Mounted} of=${place.key} build=${(signal) => accountView(work.user, signal)} />`;
}
