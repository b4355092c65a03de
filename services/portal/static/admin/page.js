// The administration by its address: the start, a list, one object, a new one; or a page that a resource has for itself.

import { useTexts } from '../app/hooks.js';
import { t } from '../app/i18n.js';
import { Page } from '../app/page.js';
import { setTitle } from '../app/title.js';
import { Empty } from '../ui/states.js';
import { html } from '../ui/html.js';
import { linkSheet } from '../ui/sheet.js';
import { useEffect } from '../vendor/hooks.mjs';
import { may, nameOf } from './engine.js';
import { AddPage, ChangePage } from './form.js';
import { IndexPage } from './index.js';
import { ListPage } from './list.js';
import { RESOURCES } from './resources.js';
import { Trail } from './trail.js';

linkSheet(new URL('./admin.css', import.meta.url));
linkSheet(new URL('./start.css', import.meta.url));

export function View({ work, place, parameters: [name, key] }) {
  useTexts();
  if (!name) return html`<${IndexPage} work=${work} />`;
  const descriptor = RESOURCES.find((one) => one.name === name);
  if (descriptor === undefined) return html`<${Refusal} heading=${t('notFound.heading')} text=${t('notFound.text')} />`;
  const act = key === 'add' ? 'add' : 'view';
  if (!may(work.user, descriptor, act))
    return html`<${Refusal}
      heading=${t('app.forbiddenHeading')}
      text=${t('app.forbidden', { permission: descriptor.permissions[act] ?? nameOf(descriptor) })}
    />`;
  if (descriptor.page)
    return html`<${Page}
      key=${name}
      route=${descriptor.page}
      work=${work}
      place=${place}
      parameters=${[key].filter(Boolean)}
      descriptor=${descriptor}
    />`;
  if (key === 'add') return html`<${AddPage} key=${name} descriptor=${descriptor} work=${work} />`;
  if (key && descriptor.fields) return html`<${ChangePage} key=${`${name} ${key}`} descriptor=${descriptor} work=${work} objectKey=${key} />`;
  return html`<${ListPage} key=${name} descriptor=${descriptor} work=${work} place=${place} />`;
}

function Refusal({ heading, text }) {
  useEffect(() => {
    setTitle(() => heading);
    /** @type {HTMLElement | null} */ (document.querySelector('main h1'))?.focus();
  }, [heading]);
  return html`<div class="admin">
    <${Trail} />
    <section class="card"><${Empty} icon="alert" heading=${heading} text=${text} /></section>
  </div>`;
}
