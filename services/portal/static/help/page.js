// What every page of the help has: its title, its chapters, and its text.

import { pageAddress } from '../app/addresses.js';
import { t } from '../app/i18n.js';
import { setTitle } from '../app/title.js';
import { useEffect, useLayoutEffect, useRef } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { ErrorState, Skeleton } from '../ui/states.js';
import { useGuide } from './loading.js';
import { Tree } from './tree.js';

linkSheet(new URL('./help.css', import.meta.url));

const PAGES = [
  ['guide', '/help', 'help.guide'],
  ['programs', '/help/programs', 'help.programs'],
];

/** `fill(code)` completes what a program takes. @param {{name: string, fill?: (code: string) => string}} properties */
export function HelpPage({ name, fill }) {
  const { guide, error, retry } = useGuide(name);
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useEffect(() => setTitle(() => guide?.title ?? t('nav.help')), [guide]);
  useLayoutEffect(() => {
    if (guide === null) return;
    const chapter = document.getElementById(window.location.hash.slice(1));
    if (chapter) chapter.scrollIntoView();
    else heading.current.focus();
  }, [guide === null]);
  if (error) return html`<section class="card"><${ErrorState} error=${error} heading=${t('error.heading')} retry=${retry} /></section>`;
  if (guide === null) return html`<section class="card"><${Skeleton} lines=${12} /></section>`;
  return html`<div class="help">
    <nav class="help-contents" aria-label=${t('help.contents')}>
      <ul>
        ${PAGES.map(
          ([page, path, label]) =>
            html`<li>
              <a href=${pageAddress(path)} data-route aria-current=${page === name ? 'page' : undefined}>${t(label)}</a>
              ${page === name && html`<${Chapters} of=${guide.contents} />`}
            </li>`,
        )}
      </ul>
    </nav>
    <article class="card help-text">
      <h1 tabindex="-1" ref=${heading}>${guide.title}</h1>
      <${Tree} nodes=${guide.body} fill=${fill} />
    </article>
  </div>`;
}

function Chapters({ of }) {
  return html`<ol>
    ${of.map(([id, text]) => html`<li><a href=${`#${id}`}>${text}</a></li>`)}
  </ol>`;
}
