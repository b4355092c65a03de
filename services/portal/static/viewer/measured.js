// What a measurement says: its numbers in words, for the image, the table and the clipboard.

import { formatNumber } from '../app/format.js';
import { currentLanguage, t } from '../app/i18n.js';
import { angle, length, probe, region } from './measuring.js';

const DIGITS = 1;

/** Decimals by size: what is small, as in maps of fractions or below a microscope, says more than 0. */
function sized(value, unit, digits = DIGITS) {
  return `${formatNumber(value, digits === DIGITS && Math.abs(value) < 1 ? 4 : digits)} ${unit}`.trim();
}

/** Whence the millimetres come, where that is not the patient: "en el detector", "px". */
export function sourceText(kind) {
  return { imager: t('viewer.spacing.imager'), region: t('viewer.spacing.region'), none: t('viewer.spacing.none') }[kind] ?? '';
}

/**
 * Names and texts of what was measured; `values` of the image may not be there yet (null).
 * @param {import('./measurements.js').Measurement | {kind: string, points: [number, number][]}} one
 * @returns {{name: string, text: string, value: number | null, unit: string}[]}
 */
export function factsOf(one, info, values) {
  const { kind, points } = one;
  const fact = (name, value, unit, digits = DIGITS) => ({ name, text: sized(value, unit, digits), value, unit });
  if (kind === 'length') {
    const { value, unit } = length(points, info);
    return [fact('length', value, unit, unit === 'px' ? 0 : DIGITS)];
  }
  if (kind === 'angle') return [fact('angle', angle(points, info).value, '°')];
  if (values === null) return [];
  if (kind === 'probe') {
    const found = probe(points[0], values, info);
    if (found === null) return [];
    if (found.rgb) return [{ name: 'value', text: `RGB ${found.rgb.join(' ')}`, value: null, unit: '' }];
    return [fact('value', found.value, found.unit ?? '', 2)];
  }
  const { mean, sd, min, max, area, count, unit, area_unit: areaUnit } = region(/** @type {any} */ (kind), points, values, info);
  const parts = [fact('area', area, areaUnit)];
  const level = unit ?? '';
  if (count > 0) parts.unshift(fact('mean', mean, level), fact('sd', sd, level), fact('min', min, level), fact('max', max, level));
  return parts;
}

/** The lines beside a measurement in the image. */
export function linesOf(one, info, values) {
  const facts = factsOf(one, info, values);
  const by = Object.fromEntries(facts.map(({ name, text }) => [name, text]));
  if (by.mean) return [`${t('viewerFact.mean')} ${by.mean} ± ${by.sd}`, `${by.min} … ${by.max}`, by.area];
  return facts.map(({ text }) => text);
}

/** Columns of the table of all measurements, for spreadsheets that speak the reader's language: one that writes 1,5
 * reads 1.5 as something else. @param {{one: any, facts: any[], series: string, image: string, where: string, source: string}[]} rows */
export function csvOf(rows) {
  const decimal = new Intl.NumberFormat(currentLanguage()).format(1.5)[1];
  const separator = decimal === ',' ? ';' : ',';
  const written = (value) => String(Number(value.toPrecision(10))).replace('.', decimal);
  const names = ['value', 'length', 'angle', 'mean', 'sd', 'min', 'max', 'area'];
  const head = [t('viewer.table.kind'), t('viewer.table.series'), t('viewer.table.image'), ...names.flatMap((name) => [t(`viewerFact.${name}`), t('viewer.table.unit')]), t('viewer.table.source')];
  const lines = rows.map(({ one, facts, series, image, source }) => {
    const of = (name) => facts.find((fact) => fact.name === name);
    const cells = names.flatMap((name) => [typeof of(name)?.value === 'number' ? written(of(name).value) : '', of(name)?.unit ?? '']);
    return [t(`viewerTool.${one.kind}`), series, image, ...cells, source];
  });
  return [head, ...lines].map((cells) => cells.map((cell) => quoted(cell, separator)).join(separator)).join('\r\n');
}

// A cell that begins like a formula is kept from being one.
function quoted(text, separator) {
  const safe = /^[=@\t\r]|^[+-](?![\d.])/.test(text) ? `'${text}` : text;
  return /["\r\n]/.test(safe) || safe.includes(separator) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The same as text for the clipboard. */
export function textOf(rows) {
  return rows
    .map(({ one, facts, where, source }) => {
      const told = facts.map(({ name, text }) => `${t(`viewerFact.${name}`)} ${text}`).join(', ');
      return `${t(`viewerTool.${one.kind}`)} (${where}): ${told}${source ? ` (${source})` : ''}`;
    })
    .join('\n');
}
