// Every component once, for those who make them and for tests: /__ui, where the server has STORIES on.

import { t } from '../app/i18n.js';
import { setTitle } from '../app/title.js';
import { useEffect } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { CHOICES } from './choices.js';
import { DATA } from './data.js';
import { STATES } from './states.js';

linkSheet(new URL('./stories.css', import.meta.url));

export function View() {
  useEffect(() => setTitle(() => t('stories.heading')), []);
  return html`<div class="stories">
    <h1 tabindex="-1">${t('stories.heading')}</h1>
    ${[...CHOICES, ...STATES, ...DATA].map(
      ([name, Story]) =>
        html`<section class="card story" key=${name} aria-labelledby=${`story-${name}`} data-story=${name}>
          <h2 id=${`story-${name}`} lang="en">${name}</h2>
          <${Story} />
        </section>`,
    )}
  </div>`;
}
