// The page for those who write programs, with lines that hold the address by which its reader came.

import { root } from '../app/root.js';
import { html } from '../ui/html.js';
import { HelpPage } from './page.js';

const fill = (code) => code.replaceAll('{address}', window.location.origin + root);

export function View() {
  return html`<${HelpPage} name="programs" fill=${fill} />`;
}
