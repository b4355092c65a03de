// Jobs in words.

import { hasText, t } from '../../app/i18n.js';

/** How far a job is, from 0 to 1; undefined until its files are counted. */
export function jobShare({ total, processed, failed, state }) {
  if (total === null) return undefined;
  if (total === 0) return state === 'running' ? undefined : 1;
  return Math.min((processed + failed) / total, 1);
}

/** Which files it is about, e.g. "Estado: con error · Modalidad: CT". */
export function jobWords(where) {
  const parts = Object.entries(where).map(([name, value]) => {
    const label = hasText(`jobWhere.${name}`) ? t(`jobWhere.${name}`) : name;
    const said = name === 'state' && hasText(`state.${value}`) ? t(`state.${value}`) : [value].flat().join(', ');
    return `${label}: ${said}`;
  });
  return parts.length > 0 ? parts.join(' · ') : t('job.everything');
}
