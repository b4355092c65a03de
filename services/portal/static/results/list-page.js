// The page of all files and their measures.

import { html } from '../ui/html.js';
import { FileList } from './list.js';

export function View({ work, place }) {
  return html`<${FileList} work=${work} place=${place} heading="nav.files" />`;
}
