// The page where files are sent, with what came of them below.

import { homeView } from '../results/home.js';
import { html } from '../ui/html.js';
import { Mounted } from '../ui/mounted.js';

export function View({ work, place }) {
  const { panel } = work.uploads;
  const build = (signal) => homeView(work, signal, { panel, heading: 'upload.heading' });
  return html`<${Mounted} of=${place.path} build=${build} />`;
}
