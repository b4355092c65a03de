// All measurements of this page as a table: one leads to its image, can be removed, all can be taken along.

import { announce } from '../app/announce.js';
import { formatNumber } from '../app/format.js';
import { t } from '../app/i18n.js';
import { saveBlob } from '../app/saving.js';
import { Button, IconButton } from '../ui/button.js';
import { Copy } from '../ui/copy.js';
import { html } from '../ui/html.js';
import { csvOf, factsOf, sourceText, textOf } from './measured.js';
import { nameOf } from './measurements.js';
import { spacingAt } from './measuring.js';
import { infosOf, placeOf } from './stacks.js';

/** What is known of a measurement: on which image of which series, its numbers as far as the values are there, whence
 * its millimetres. */
export function rowOf(viewing, one) {
  const [file, frame] = one.image.split(',');
  const at = viewing.panes.findIndex((pane) => pane.series === one.series);
  const pane = viewing.panes[Math.max(at, 0)];
  const held = viewing.stacks.of(one.series, at < 0 ? '' : pane.order);
  const place = held.stack === null ? null : placeOf(held.stack, file, Number(frame));
  if (place === null) return { one, place: null, facts: [], series: '', image: '', where: '', source: '' };
  const info = infosOf(held, place.group)[place.index];
  const { kind } = spacingAt(one.points, info);
  // What was measured once stays measured, also when its values left the cache.
  const values = viewing.loader.get(info).values ?? null;
  const facts = factsOf(one, info, values);
  const name = nameOf(one);
  if (values !== null || facts.length > 1) viewing.known.set(name, facts);
  const image = formatNumber(place.index + 1);
  const source = one.kind === 'probe' ? '' : sourceText(kind);
  const series = String(held.stack.series_number ?? '');
  const told = viewing.series.length > 1 && series && t('viewer.seriesNumber', { number: series });
  const where = [told, t('viewer.table.at', { number: image })].filter(Boolean).join(' · ');
  return { one, place, facts: viewing.known.get(name) ?? facts, series, image, where, source };
}

/** @param {{viewing: import('./viewing.js').Viewing, run: (command: string, argument?: any) => void}} properties */
export function MeasurementTable({ viewing, run }) {
  const rows = viewing.measurements.all.map((one) => rowOf(viewing, one));
  const show = ({ one, place }) => {
    if (place === null) return;
    const at = viewing.panes.findIndex((pane) => pane.series === one.series);
    if (at < 0) viewing.choose(one.series);
    else if (viewing.pane.series !== one.series) viewing.activate(at);
    viewing.change((pane) => ({ ...pane, group: place.group }));
    viewing.show(place.index);
    viewing.selected = { id: one.id, point: -1 };
    viewing.tell();
  };
  const drop = ({ one }) => {
    viewing.measurements.remove(one.id);
    viewing.tell();
    announce(t('viewer.table.removed'));
  };
  const csv = () => saveBlob(new Blob([`\uFEFF${csvOf(rows)}`], { type: 'text/csv' }), `${t('viewer.table.name')}.csv`);
  return html`<section aria-labelledby="viewer-measurements">
    <h2 id="viewer-measurements">${t('viewer.table')}</h2>
    ${rows.length === 0
      ? html`<p class="quiet">${t('viewer.table.none')}</p>`
      : html`<table class="measurements">
            <thead class="visually-hidden">
              <tr><th scope="col">${t('viewer.table.kind')}</th><th scope="col">${t('viewer.table.values')}</th><th scope="col">${t('viewer.table.remove')}</th></tr>
            </thead>
            <tbody>
              ${rows.map(
                (row) => html`<tr key=${row.one.id} data-kind=${row.one.kind} data-chosen=${String(viewing.selected?.id === row.one.id)}>
                  <td>
                    <button type="button" class="link-button" onClick=${() => show(row)}>${t(`viewerTool.${row.one.kind}`)}</button>
                    <span class="quiet">${row.where}</span>
                  </td>
                  <td>
                    ${row.facts.map(({ name, text }) => html`<span class="fact">${row.facts.length > 1 && html`<span class="quiet">${t(`viewerFact.${name}`)}</span> `}<bdi>${text}</bdi></span>`)}
                    ${row.source && html`<span class="quiet">${row.source}</span>`}
                  </td>
                  <td><${IconButton} label=${t('viewer.table.removeOne', { name: t(`viewerTool.${row.one.kind}`) })} icon="trash" onClick=${() => drop(row)} /></td>
                </tr>`,
              )}
            </tbody>
          </table>`}
    <div class="button-row start">
      ${rows.length > 0 && html`<${Copy} text=${textOf(rows)} /><${Button} small label="CSV" icon="download" onClick=${csv} />`}
      ${viewing.sights[viewing.active]?.snapshot && html`<${Button} small label="PNG" icon="download" onClick=${() => run('picture')} />`}
    </div>
  </section>`;
}
