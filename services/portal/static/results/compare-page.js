// Two results side by side: pictures, measures with their difference, histograms, what differs in the headers.

import { listAddress, resultAddress } from '../app/addresses.js';
import { formatNumber, formatPercent } from '../app/format.js';
import { t } from '../app/i18n.js';
import { setTitle } from '../app/title.js';
import { formatTag } from '../dicom/json-model.js';
import { html } from '../ui/html.js';
import { Histogram } from '../ui/histogram.js';
import { Icon } from '../ui/icon.js';
import { linkSheet } from '../ui/sheet.js';
import { Stale } from '../ui/stale.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { StateBadge } from '../ui/state-badge.js';
import { Picture } from '../ui/thumbnail.js';
import { useEffect, useMemo, useRef, useState } from '../vendor/hooks.mjs';
import { difference, headerLines, paired } from './differences.js';
import { AttributeName, useAttributeNames } from './header.js';
import { useResult } from './loading.js';
import { measuresOf, Value } from './measures.js';
import { patientOf } from './row.js';
import { readableText } from './words.js';

linkSheet(new URL('./results.css', import.meta.url));
linkSheet(new URL('./result.css', import.meta.url));
linkSheet(new URL('./image.css', import.meta.url));
linkSheet(new URL('./compare.css', import.meta.url));

const LONG = 200;
const BATCH = 300;

export function View({ work, place }) {
  const given = new URLSearchParams(place.query);
  const [a, b] = ['a', 'b'].map((name) => given.get(name) ?? '');
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useEffect(() => {
    setTitle(() => t('compare.heading'));
    heading.current.focus();
  }, []);
  return html`<div class="result compare">
    <a class="back" href=${a ? resultAddress(a) : listAddress()} data-route><${Icon} name="back" /><span>${t('compare.back')}</span></a>
    <h1 tabindex="-1" ref=${heading}>${t('compare.heading')}</h1>
    ${a && b
      ? html`<${Both} key=${`${a} ${b}`} a=${a} b=${b} work=${work} />`
      : html`<section class="card"><${Empty} icon="compare" text=${t('compare.nothing')} /></section>`}
  </div>`;
}

function Both({ a, b, work }) {
  const [first, second] = [useResult(a, work), useResult(b, work)];
  const wrong = [first, second].find((one) => one.error !== null);
  if (wrong) return html`<section class="card"><${ErrorState} error=${wrong.error} retry=${wrong.reload} /></section>`;
  if (first.result === null || second.result === null) return html`<section class="card"><${Skeleton} /></section>`;
  const results = [first.result, second.result];
  const old = [first, second].find((one) => one.stale !== null);
  return html`
    ${old && html`<${Stale} at=${old.at} error=${old.stale} retry=${() => [first, second].forEach((one) => one.reload())} />`}
    <div class="compare-two">${results.map((result, index) => html`<${Side} key=${index} result=${result} letter=${'AB'[index]} />`)}</div>
    <${Measured} results=${results} />
    <div class="compare-two">
      ${results.map(
        (result, index) =>
          result.statistics?.histogram &&
          html`<${Histogram}
            key=${index}
            id=${`histogram-${'ab'[index]}`}
            heading=${t('compare.histogram', { letter: 'AB'[index] })}
            histogram=${result.statistics.histogram}
          />`,
      )}
    </div>
    <${Headers} results=${results} />
  `;
}

function Side({ result, letter }) {
  return html`<section class="card compare-side" aria-label=${letter}>
    <p class="compare-name">
      <strong class="compare-letter">${letter}</strong>
      <a href=${resultAddress(result.file_id)} data-route><bdi>${result.file_name || result.file_id}</bdi></a>
      <${StateBadge} state=${result.state} />
    </p>
    <p class="quiet"><bdi>${[patientOf(result), result.study_description, result.series_description].filter(Boolean).join(' · ')}</bdi></p>
    <${Picture}
      file=${result.thumbnail ? result.file_id : null}
      pixels=${[256]}
      alt=${t('result.imageAlt', { name: result.file_name })}
      class="preview"
      instead=${html`<p class="no-image">${t('result.noImage')}</p>`}
    />
  </section>`;
}

function Measured({ results }) {
  const average = (which, digits) => (result) => {
    const value = result[`average_${which}_normalization`];
    return [which, formatNumber(value, digits), value];
  };
  const means = [average('before', 4), average('after', 6)];
  const [first, second] = results.map((result) => [...means.map((one) => one(result)), ...measuresOf(result)]);
  return html`<section class="card" aria-labelledby="measures-heading">
    <h2 id="measures-heading">${t('measures.heading')}</h2>
    <div class="scroll" tabindex="0" role="group" aria-labelledby="measures-heading">
      <table class="compare-table">
        <thead>
          <tr>
            <th scope="col">${t('compare.measure')}</th>
            <th scope="col">A</th>
            <th scope="col">B</th>
            <th scope="col">${t('compare.difference')}</th>
          </tr>
        </thead>
        <tbody>
          ${paired(first, second).map(
            ({ name, a, b }) =>
              html`<tr key=${name} data-measure=${name}>
                <th scope="row">${t(`measures.${name}`)}</th>
                ${[a, b].map((row) => html`<td title=${typeof row?.[2] === 'number' ? row[2] : undefined}><${Value} text=${row?.[1] ?? '—'} /></td>`)}
                <td class="compare-difference">${differenceText(a?.[2], b?.[2])}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function differenceText(a, b) {
  const found = difference(a, b);
  if (found === null) return '';
  if (found.difference === 0) return t('compare.same');
  const sign = found.difference > 0 ? '+' : '';
  const share = found.relative === null ? '' : ` (${sign}${formatPercent(found.relative, 1)})`;
  return `${sign}${formatNumber(found.difference, 6)}${share}`;
}

function Headers({ results: [first, second] }) {
  const { names, local } = useAttributeNames();
  const [all, setAll] = useState(false);
  const [limit, setLimit] = useState(BATCH);
  const bulk = t('metadata.bulk');
  const rows = useMemo(
    () => headerLines(first.raw_data ?? {}, second.raw_data ?? {}, names, { bulk, local }),
    [first, second, names, local, bulk],
  );
  const different = rows.filter((row) => !row.same);
  const shown = all ? rows : different;
  return html`<section class="card" id="headers" aria-labelledby="headers-heading">
    <div class="card-head">
      <h2 id="headers-heading">${t('compare.headers')}</h2>
      <label class="check">
        <input type="checkbox" checked=${all} onChange=${(event) => setAll(event.currentTarget.checked)} />
        <span>${t('compare.all')}</span>
      </label>
    </div>
    <p class="quiet" role="status">${t('compare.different', { count: different.length })}</p>
    <div class="scroll" tabindex="0" role="group" aria-labelledby="headers-heading">
      <table class="compare-table headers">
        <thead>
          <tr><th scope="col">${t('metadata.name')}</th><th scope="col">A</th><th scope="col">B</th></tr>
        </thead>
        <tbody>
          ${shown.slice(0, limit).map(
            ({ line, a, b, same }) =>
              html`<tr key=${line.path} data-tag=${line.tag} data-same=${String(same)}>
                <th scope="row"><code>${formatTag(line.tag)}</code> <${AttributeName} line=${line} /></th>
                ${[a, b].map((text) => html`<td><bdi>${textOf(line.vr, text)}</bdi></td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${shown.length > limit && html`<button type="button" class="button" onClick=${() => setLimit(limit + BATCH)}>${t('metadata.more')}</button>`}
  </section>`;
}

function textOf(vr, text) {
  if (text === null) return '—';
  return readableText(vr, text) || (text.length > LONG ? `${text.slice(0, LONG)}…` : text);
}
