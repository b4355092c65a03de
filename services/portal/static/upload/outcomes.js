// What became of a file, as the report counts it.

/**
 * @typedef {'sending' | 'processing' | 'processed' | 'known' | 'conflict' | 'omitted' | 'foreign' | 'failed' | 'cancelled'}
 *   Outcome
 */

/** In the order in which a report shows them. @type {Outcome[]} */
export const OUTCOMES = [
  'sending', 'processing', 'processed', 'known', 'conflict', 'failed', 'foreign', 'omitted', 'cancelled',
];
/** Those that somebody should look at. @type {Outcome[]} */
export const PROBLEMS = ['conflict', 'failed', 'foreign'];
/** Those of which sending again may lead elsewhere. @type {Outcome[]} */
export const RETRYABLE = ['failed', 'cancelled', 'conflict'];

const OF_PHASE = /** @type {Record<string, Outcome>} */ ({
  waiting: 'sending',
  sending: 'sending',
  checking: 'sending',
  accepted: 'processing',
  processed: 'processed',
  duplicate: 'known',
  interrupted: 'failed',
  failed: 'failed',
  cancelled: 'cancelled',
  omitted: 'omitted',
});
const OF_REFUSAL = /** @type {Record<string, Outcome>} */ ({
  conflict: 'conflict',
  dicomdir: 'omitted',
  'not-dicom': 'foreign',
  'empty-file': 'foreign',
  'too-short': 'foreign',
});

/** @param {{phase: string, problem: any}} item @returns {Outcome} */
export function outcomeOf({ phase, problem }) {
  return phase === 'refused' ? (OF_REFUSAL[problem?.code] ?? 'failed') : OF_PHASE[phase];
}
