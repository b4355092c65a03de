// Stories of what stands in place of data, and of what says how far they are.

import { KeyHelp } from '../app/key-help.js';
import { t } from '../app/i18n.js';
import { ApiError } from '../app/api.js';
import { useState } from '../vendor/hooks.mjs';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Progress } from '../ui/progress.js';
import { Ring } from '../ui/ring.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { Stale } from '../ui/stale.js';
import { Thumbnail } from '../ui/thumbnail.js';
import { TypedWord } from '../ui/typed-word.js';

const FAILED = new ApiError(503, { code: 'unavailable', trace_id: '0af7651916cd43dd8448eb211c80319c' });

function States() {
  return html`<div class="story-grid">
    <${Skeleton} lines=${3} />
    <${Empty} icon="studies" text=${t('stories.text')}>
      <${Button} label=${t('nav.upload')} icon="upload" kind="primary" />
    <//>
    <${ErrorState} error=${FAILED} retry=${() => {}} />
    <${ErrorState} error=${new RangeError('of the browser')} />
  </div>`;
}

function Old() {
  return html`<${Stale} at=${new Date(2026, 0, 31, 12)} error=${FAILED} retry=${() => {}} />`;
}

function Typed() {
  const [matches, setMatches] = useState(false);
  return html`<form class="admin-form">
    <${TypedWord} onMatch=${setMatches} />
    <${Button} label=${t('nav.upload')} class="danger" disabled=${!matches} />
  </form>`;
}

function Bars() {
  return html`<div class="story-grid">
    <${Progress} value=${0.4} label=${t('nav.upload')} />
    <${Progress} label=${t('app.loading')} />
    <div class="button-row">
      <${Ring} value=${0.4} label=${t('nav.upload')} /><${Ring} label=${t('app.loading')} />
    </div>
  </div>`;
}

function Badges() {
  return html`<div class="button-row">
    ${['good', 'bad', 'pending', 'quiet'].map((tone) => html`<span class=${`badge tone-${tone}`}>${t('stories.menu')}</span>`)}
  </div>`;
}

function Pictures() {
  return html`<div class="button-row">
    <${Thumbnail} file=${null} />
    <${Thumbnail} file=${null} size="large" icon="studies" />
  </div>`;
}

function Keys() {
  const [open, setOpen] = useState(false);
  return html`<${Button} label=${t('keys.show')} icon="keyboard" onClick=${() => setOpen(true)} />
    ${open && html`<${KeyHelp} keys=${[[['/'], t('keys.search')]]} onClose=${() => setOpen(false)} />`}`;
}

/** @type {[name: string, Story: any][]} */
export const STATES = [
  ['states', States],
  ['stale', Old],
  ['typed-word', Typed],
  ['progress', Bars],
  ['badge', Badges],
  ['thumbnail', Pictures],
  ['key-help', Keys],
];
