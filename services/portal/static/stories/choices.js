// Stories of what is pressed, typed into and chosen from.

import { t } from '../app/i18n.js';
import { toast } from '../app/toasts.js';
import { useState } from '../vendor/hooks.mjs';
import { ActionForm } from '../ui/action-form.js';
import { Button, IconButton, LinkButton } from '../ui/button.js';
import { Chip } from '../ui/chip.js';
import { Combobox } from '../ui/combobox.js';
import { Copy } from '../ui/copy.js';
import { DateRange } from '../ui/date-range.js';
import { Dialog } from '../ui/dialog.js';
import { Drawer } from '../ui/drawer.js';
import { CheckField, Field, SelectField } from '../ui/field.js';
import { FilterBar } from '../ui/filter-bar.js';
import { html } from '../ui/html.js';
import { Menu } from '../ui/menu.js';
import { Picker } from '../ui/picker.js';
import { SearchField } from '../ui/search-field.js';
import { Switch } from '../ui/switch.js';
import { Tabs } from '../ui/tabs.js';

const nothing = () => {};

function Buttons() {
  return html`<div class="button-row">
    <${Button} label=${t('nav.upload')} icon="upload" kind="primary" onClick=${nothing} />
    <${Button} label=${t('error.retry')} icon="retry" onClick=${nothing} />
    <${Button} label=${t('chip.reset')} kind="plain" small onClick=${nothing} />
    <${Button} label=${t('nav.upload')} disabled onClick=${nothing} />
    <${LinkButton} label=${t('nav.studies')} icon="studies" href="#stories" />
    <${IconButton} label=${t('dialog.close')} icon="close" onClick=${nothing} />
  </div>`;
}

function Chips() {
  return html`<div class="chips">
    <${Chip} label="CT" onRemove=${nothing} />
    <${Chip} label=${t('state.failed')} onRemove=${nothing} />
  </div>`;
}

function Menus() {
  const [chosen, choose] = useState('received');
  const items = ['received', 'processed', 'failed'].map((state) => ({
    label: t(`state.${state}`),
    checked: state === chosen,
    onSelect: () => choose(state),
  }));
  return html`<${Menu} class="start" label=${t('stories.menu')} button=${html`<span>${t('stories.menu')}</span>`} items=${items} />`;
}

function Filters() {
  const menus = [{ name: 'state', label: t('stories.menu'), items: [{ label: t('state.failed'), onSelect: nothing }] }];
  return html`<${FilterBar}
    label=${t('stories.filters')}
    menus=${menus}
    chips=${[{ label: t('state.processed'), onRemove: nothing }]}
    onReset=${nothing}
  />`;
}

function Ranges() {
  const [span, setSpan] = useState('7d');
  return html`<${DateRange} label=${t('span.first')} span=${span} onChange=${setSpan} />`;
}

function Fields() {
  return html`<div class="story-grid">
    <${Field} label=${t('nav.studies')} name="story-plain" hint=${t('keys.search')} />
    <${Field} label=${t('nav.files')} name="story-wrong" value="?" error=${t('problem.invalid-request')} />
    <${Field} label=${t('nav.upload')} name="story-lines" kind="textarea" rows="2" />
    <${SelectField}
      label=${t('stories.menu')}
      name="story-choice"
      value="failed"
      choices=${['received', 'failed'].map((value) => ({ value, label: t(`state.${value}`) }))}
    />
    <${CheckField} label=${t('state.failed')} name="story-check" checked=${true} hint=${t('keys.search')} />
  </div>`;
}

function Pickers() {
  const [value, setValue] = useState(['failed']);
  const choices = ['received', 'processed', 'failed'].map((state) => ({ value: state, label: t(`state.${state}`), hint: state }));
  return html`<${Picker} label=${t('stories.menu')} choices=${choices} value=${value} onChange=${setValue} />`;
}

function Switches() {
  const [on, turn] = useState(true);
  return html`<${Switch} name="story-switch" label=${t('keys.single')} checked=${on} hint=${t('keys.search')} onChange=${turn} />`;
}

function TabsStory() {
  const [chosen, choose] = useState('studies');
  const tabs = ['studies', 'files', 'upload'].map((key) => ({ key, label: t(`nav.${key}`) }));
  return html`<${Tabs} name="story" label=${t('nav.label')} tabs=${tabs} chosen=${chosen} onChoose=${choose}>
    <p>${t(`nav.${chosen}`)}</p>
  <//>`;
}

function Comboboxes() {
  const [chosen, choose] = useState(null);
  const search = async (text) =>
    [...'abc'].map((letter) => ({ key: letter, label: `${text} ${letter}`, detail: letter, icon: 'person' }));
  return html`<${Combobox} label=${t('keys.search')} name="story-combobox" chosen=${chosen} search=${search} onChoose=${choose} />`;
}

function Forms() {
  const act = () => toast(t('copy.done'));
  const wrong = /** @type {import('../ui/action-form.js').Said} */ ([() => t('problem.invalid-request'), 'story-name']);
  return html`<${ActionForm} class="story-grid" submit=${t('nav.upload')} act=${act} begin=${wrong} focus="none">
    <${Field} label=${t('nav.files')} name="story-name" />
  <//>`;
}

function Dialogs() {
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  const actions = html`<${Button} label=${t('dialog.close')} kind="primary" onClick=${close} />`;
  return html`<${Button} label=${t('stories.dialog')} onClick=${() => setOpen(true)} />
    ${open &&
    html`<${Dialog} heading=${t('stories.dialog')} onClose=${close} actions=${actions}><p>${t('stories.text')}</p><//>`}`;
}

function Drawers() {
  const [open, setOpen] = useState(false);
  return html`<${Button} label=${t('stories.drawer')} onClick=${() => setOpen(true)} />
    ${open &&
    html`<${Drawer} heading=${t('stories.drawer')} onClose=${() => setOpen(false)}><p>${t('stories.text')}</p><//>`}`;
}

function Toasts() {
  return html`<div class="button-row">
    <${Button} label=${t('copy.done')} onClick=${() => toast(t('copy.done'))} />
    <${Button} label=${t('state.failed')} onClick=${() => toast(t('problem.invalid-request'), 'bad')} />
  </div>`;
}

/** @type {[name: string, Story: any][]} */
export const CHOICES = [
  ['button', Buttons],
  ['chip', Chips],
  ['menu', Menus],
  ['filter-bar', Filters],
  ['date-range', Ranges],
  ['field', Fields],
  ['switch', Switches],
  ['tabs', TabsStory],
  ['combobox', Comboboxes],
  ['picker', Pickers],
  ['action-form', Forms],
  ['dialog', Dialogs],
  ['drawer', Drawers],
  ['toast', Toasts],
  ['search-field', () => html`<${SearchField} label=${t('stories.filters')} hint=${t('keys.search')} value="" onSearch=${nothing} />`],
  ['copy', () => html`<${Copy} text="1.2.840.10008.1.1" /> <${Copy} quiet text="1.2.840.10008.1.2" />`],
];
