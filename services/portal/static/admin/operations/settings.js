// What each service says of itself: its release, its schema, its room, its certificates, and the settings in force.

import { foreseen, request } from '../../app/api.js';
import { formatBytes, formatPercent, formatTime } from '../../app/format.js';
import { t } from '../../app/i18n.js';
import { setTitle } from '../../app/title.js';
import { html } from '../../ui/html.js';
import { SearchField } from '../../ui/search-field.js';
import { linkSheet } from '../../ui/sheet.js';
import { ErrorState, Skeleton } from '../../ui/states.js';
import { useEffect, useRef, useState } from '../../vendor/hooks.mjs';
import { badge } from '../cells.js';
import { nameOf } from '../engine.js';
import { Trail } from '../trail.js';

linkSheet(new URL('./operations.css', import.meta.url));

/** Who answers, and where: one that does not shows why in its place, and keeps nobody. */
const PARTS = [
  ['auth', '/api/auth/system'],
  ['ingest', '/api/files/system'],
  ['results', '/api/processing/system'],
];
const SOON_DAYS = 14;

/** Settings whose name, value or description has the words, in any case; `told`: only those that somebody has set. */
export function chosenSettings(settings, text, told) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return settings.filter(
    (setting) =>
      (!told || setting.source !== 'default') &&
      words.every((word) => `${setting.name} ${setting.value ?? ''} ${setting.description}`.toLowerCase().includes(word)),
  );
}

/** Days until a moment; negative when it is over. */
export function daysUntil(iso, now = Date.now()) {
  return Math.floor((Date.parse(iso) - now) / 86_400_000);
}

/** @param {{descriptor: import('../engine.js').Descriptor}} properties */
export function View({ descriptor }) {
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  const [text, setText] = useState('');
  const [told, setTold] = useState(false);
  useEffect(() => {
    setTitle(() => nameOf(descriptor));
    heading.current.focus();
  }, [descriptor]);
  return html`<div class="admin operations">
    <${Trail} />
    <div class="page-head"><h1 tabindex="-1" ref=${heading}>${nameOf(descriptor)}</h1></div>
    <p class="quiet">${t('settings.about')}</p>
    <div class="settings-filter">
      <${SearchField} label=${t('settings.search')} hint=${t('settings.search')} value=${text} onSearch=${setText} />
      <label class="check">
        <input type="checkbox" checked=${told} onChange=${(event) => setTold(event.currentTarget.checked)} />
        <span>${t('settings.told')}</span>
      </label>
    </div>
    ${PARTS.map(([service, path]) => html`<${Part} key=${service} service=${service} path=${path} text=${text} told=${told} />`)}
  </div>`;
}

function Part({ service, path, text, told }) {
  const [{ part, error }, setState] = useState(/** @type {any} */ ({ part: null, error: null }));
  const [again, setAgain] = useState(0);
  useEffect(() => {
    const leaving = new AbortController();
    setState({ part: null, error: null });
    request(path, { signal: leaving.signal }).then(
      (answer) => setState({ part: answer, error: null }),
      (problem) => {
        if (problem.name === 'AbortError') return;
        if (!foreseen(problem)) throw problem;
        setState({ part: null, error: problem });
      },
    );
    return () => leaving.abort();
  }, [path, again]);
  const label = `part-${service}`;
  return html`<section class="card" aria-labelledby=${label} data-service=${service}>
    <h2 id=${label}>${t(`service.${service}`)} <code class="quiet">${service}</code></h2>
    ${error !== null && html`<${ErrorState} error=${error} retry=${() => setAgain(again + 1)} />`}
    ${error === null && part === null && html`<${Skeleton} lines=${6} />`}
    ${part !== null && html`<${Facts} part=${part} /><${Settings} settings=${chosenSettings(part.settings, text, told)} label=${label} />`}
  </section>`;
}

function Facts({ part: { version, started_at: started, schema_state: schema, storage, certificates } }) {
  return html`<dl class="admin-facts">
    <div><dt>${t('system.version')}</dt><dd>${version}</dd></div>
    <div><dt>${t('system.started')}</dt><dd>${formatTime(started)}</dd></div>
    <div><dt>${t('system.schema')}</dt><dd><${Schema} schema=${schema} /></dd></div>
    ${storage && html`<div><dt>${t('system.storage')}</dt><dd><${Storage} storage=${storage} /></dd></div>`}
    ${certificates.map(
      (certificate) =>
        html`<div key=${certificate.setting}>
          <dt><code>${certificate.setting}</code></dt>
          <dd><${Certificate} certificate=${certificate} /></dd>
        </div>`,
    )}
  </dl>`;
}

function Schema({ schema }) {
  if (schema === null) return badge(t('system.noDatabase'), 'bad', 'alert');
  const { version, applied_at: applied, pending } = schema;
  if (pending.length > 0) return badge(t('system.pending', { names: pending.join(', ') }), 'bad', 'alert');
  return html`<code>${version}</code> <span class="quiet">${formatTime(applied)}</span>`;
}

function Storage({ storage: { kind, free_bytes: free, total_bytes: total } }) {
  const name = t(`storage.${kind}`);
  if (total === null) return name;
  const share = free / total;
  const label = t('system.free', { free: formatBytes(free), total: formatBytes(total), share: formatPercent(share) });
  return html`${name} <meter min="0" max="1" low="0.15" optimum="1" value=${share} aria-label=${label}></meter> ${label}`;
}

function Certificate({ certificate: { not_after: end } }) {
  if (end === null) return badge(t('system.unreadable'), 'bad', 'alert');
  const days = daysUntil(end);
  const words = days < 0 ? t('system.ended', { time: formatTime(end) }) : t('system.ends', { time: formatTime(end), count: days });
  return days < SOON_DAYS ? badge(words, 'bad', 'alert') : words;
}

function Settings({ settings, label }) {
  if (settings.length === 0) return html`<p class="quiet">${t('settings.noMatch')}</p>`;
  return html`<div class="scroll" role="group" tabindex="0" aria-labelledby=${label}>
    <table class="plain-table settings-table">
      <thead>
        <tr>
          <th scope="col">${t('settings.name')}</th>
          <th scope="col">${t('settings.value')}</th>
        </tr>
      </thead>
      <tbody>
        ${settings.map(
          (setting) =>
            html`<tr key=${setting.name} data-setting=${setting.name}>
              <th scope="row">
                <code>${setting.name}</code>
                <p class="quiet" lang="en">${setting.description}</p>
              </th>
              <td>
                <span class="cell-code"><${Value} setting=${setting} /></span>
                <p>${setting.source === 'default' ? t('settingSource.default') : badge(t(`settingSource.${setting.source}`), 'good')}</p>
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function Value({ setting: { secret, value, is_set: given } }) {
  if (secret) return html`<span class="quiet">${t(given ? 'settings.secret' : 'settings.unset')}</span>`;
  return value === null || value === '' ? html`<span class="quiet">${t('settings.unset')}</span>` : html`<bdi>${value}</bdi>`;
}
