// The page of all files and their measures.

import { html } from '../ui/html.js';
import { Mounted } from '../ui/mounted.js';
import { homeView } from './home.js';

export function View({ work, place }) {
  const build = (signal) => homeView(work, signal, { heading: 'nav.files' });
  return html`<${Mounted} of=${place.key} build=${build} />`;
}
