// What is said of one file.

import { t } from '../app/i18n.js';
import { formatPercent } from '../app/format.js';
import { errorText, problemDetail } from '../app/problems.js';
import { NetworkError } from '../app/api.js';

/** By phase: icon and tone. */
export const TONES = {
  waiting: ['clock', 'quiet'],
  sending: ['upload', 'quiet'],
  checking: ['clock', 'quiet'],
  accepted: ['clock', 'pending'],
  processed: ['check', 'good'],
  duplicate: ['info', 'pending'],
  failed: ['alert', 'bad'],
  refused: ['alert', 'bad'],
  interrupted: ['alert', 'bad'],
  cancelled: ['close', 'quiet'],
  omitted: ['info', 'quiet'],
};

/** @param {import('./ledger.js').Item} item */
export function statusText({ phase, sent, size, problem, reason }) {
  if (phase === 'sending') return t('phase.sending', { percent: formatPercent(size ? sent / size : 0) });
  if (phase === 'omitted') return t(`omitted.${reason}`);
  if (phase === 'refused') return t('phase.refused', { reason: errorText(problem) });
  if (phase === 'interrupted') return t('phase.interrupted', { reason: interruption(problem) });
  return t(`phase.${phase}`);
}

function interruption(problem) {
  if (problem === null) return '';
  return problem.code === 'unreadable' ? t('upload.unreadableFile') : errorText(problem);
}

/** The server's own sentence, for those who read it. @param {import('./ledger.js').Item} item */
export function detailText({ phase, problem }) {
  return phase === 'refused' && problem && !(problem instanceof NetworkError) ? problemDetail(problem) : '';
}
