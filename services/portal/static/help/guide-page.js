// The user's guide.

import { html } from '../ui/html.js';
import { HelpPage } from './page.js';

export function View() {
  return html`<${HelpPage} name="guide" />`;
}
