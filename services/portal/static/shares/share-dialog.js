// Sharing: with people and groups, or by a link that is told once.

import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { ActionForm } from '../ui/action-form.js';
import { Button } from '../ui/button.js';
import { Combobox } from '../ui/combobox.js';
import { Dialog } from '../ui/dialog.js';
import { Field } from '../ui/field.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { linkSheet } from '../ui/sheet.js';
import { Tabs } from '../ui/tabs.js';
import { useEffect, useRef, useState } from '../vendor/hooks.mjs';
import { DEFAULT_DAYS, dayIn, endOf } from './days.js';
import { searchGrantees } from './directory.js';
import { LinkForm } from './link-form.js';
import { SharedWith } from './shared-with.js';
import { shareAll } from './sharing.js';

linkSheet(new URL('./shares.css', import.meta.url));

/** @typedef {{key: string, of: number, refused: import('./sharing.js').Refused[]}} Partly shared with `key`: of how many which were not */

/** @param {{things: import('./things.js').Thing[], user: any, onClose: () => void}} properties */
export function ShareDialog({ things, user, onClose }) {
  const [tab, setTab] = useState('people');
  const [given, setGiven] = useState(0);
  const [only] = things;
  const single = things.length === 1;
  const panel =
    tab === 'people'
      ? html`<${PeopleForm} things=${things} user=${user} onGiven=${() => setGiven(given + 1)} />
          ${single && html`<${SharedWith} thing=${only} user=${user} changed=${given} />`}`
      : html`<${LinkForm} thing=${only} user=${user} />`;
  const tabs = [
    { key: 'people', label: t('share.people') },
    { key: 'link', label: t('share.link') },
  ];
  const actions = html`<${Button} label=${t('dialog.close')} onClick=${onClose} />`;
  return html`<${Dialog} heading=${t('share.heading')} onClose=${onClose} actions=${actions}>
    <div class="share-dialog">
      <p>${single ? html`<bdi>${only.title}</bdi>` : t('share.several', { count: things.length })}</p>
      ${single
        ? html`<${Tabs} name="share" label=${t('share.heading')} tabs=${tabs} chosen=${tab} onChoose=${setTab}>${panel}<//>`
        : panel}
    </div>
  <//>`;
}

function PeopleForm({ things, user, onGiven }) {
  const [chosen, setChosen] = useState(/** @type {any} */ (null));
  const [round, setRound] = useState(0); // a new form after each share
  // What was refused of the last share; sent again to the same person, the form is about these alone.
  const [last, setLast] = useState(/** @type {Partly | null} */ (null));
  const left = last !== null && last.key === chosen?.key ? last : null;
  const shown = useRef(true);
  useEffect(() => () => {
    shown.current = false;
  }, []);
  const act = async ({ mode, until, reason }) => {
    const terms = { grantee: chosen.grantee, mode, until: endOf(until), reason: reason.trim() || null };
    const asked = left === null ? things : left.refused.map(({ thing }) => thing);
    const refused = await shareAll(asked, terms);
    const count = asked.length - refused.length;
    if (refused.length > 0) {
      const part = { key: chosen.key, of: asked.length, refused };
      setLast(part);
      if (!shown.current) toast(partly(part, chosen.label), 'bad');
      return;
    }
    toast(t('share.done', { name: chosen.label, count }));
    setLast(null);
    setChosen(null);
    setRound(round + 1);
    onGiven();
  };
  return html`<${ActionForm}
    key=${round}
    class="share-form"
    kind="primary"
    submit=${left === null ? t('share.submit') : t('share.again', { count: left.refused.length })}
    check=${() => chosen === null && [() => t('share.choose'), 'grantee']}
    act=${act}
    before=${left !== null && html`<${Refusals} left=${left} name=${chosen.label} />`}
  >
    <${Combobox}
      name="grantee"
      label=${t('share.with')}
      hint=${t('share.withHint')}
      chosen=${chosen}
      search=${(text, signal) => searchGrantees(text, user, signal)}
      onChoose=${setChosen}
    />
    <fieldset class="choices">
      <legend>${t('share.mode')}</legend>
      ${['view', 'manage'].map(
        (mode) =>
          html`<label class="check">
            <input type="radio" name="mode" value=${mode} defaultChecked=${mode === 'view'} />
            <span>${t(`share.${mode}`)} <span class="quiet">${t(`share.${mode}Hint`)}</span></span>
          </label>`,
      )}
    </fieldset>
    <${Field}
      name="until"
      type="date"
      label=${t('share.until')}
      hint=${t('share.untilHint')}
      min=${dayIn(0)}
      max="9998-12-31"
      defaultValue=${dayIn(DEFAULT_DAYS)}
    />
    <${Field} name="reason" kind="textarea" rows="2" maxlength="500" label=${t('share.message')} />
  <//>`;
}

function partly({ of, refused }, name) {
  return t('share.partly', { count: of, done: of - refused.length, name });
}

function Refusals({ left, name }) {
  return html`<div class="notice bad" role="alert">
    <${Icon} name="alert" />
    <div>
      <p id="share-refused">${partly(left, name)} ${t('share.refused', { count: left.refused.length })}</p>
      <ul class="share-refused" tabindex="0" aria-labelledby="share-refused">
        ${left.refused.map(({ thing, error }, at) => html`<li key=${at}><bdi>${thing.title}</bdi>: ${errorText(error)}</li>`)}
      </ul>
    </div>
  </div>`;
}
