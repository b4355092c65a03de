// The page of one result.

import { retitle } from '../app/title.js';
import { html } from '../ui/html.js';
import { Mounted } from '../ui/mounted.js';
import { resultView } from './result.js';

export function View({ work, parameters: [fileId] }) {
  const build = (signal) => resultView(work, fileId, signal, retitle);
  return html`<${Mounted} of=${fileId} build=${build} />`;
}
