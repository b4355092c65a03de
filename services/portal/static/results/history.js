// What was done with a file: one timeline of every attempt, and what support asks for.

import { resultPaths } from '../app/api.js';
import { formatBytes, formatSeconds } from '../app/format.js';
import { t } from '../app/i18n.js';
import { failureText } from '../app/problems.js';
import { Copy } from '../ui/copy.js';
import { html } from '../ui/html.js';
import { Timeline } from '../ui/timeline.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { askedFor } from './loading.js';
import { stepsOf } from './steps.js';

/** `changed` counts what makes it old. */
export function History({ result, changed }) {
  const [attempts, setAttempts] = useState(/** @type {any[] | null} */ (null));
  useEffect(() => {
    const leaving = new AbortController();
    askedFor(resultPaths(result.file_id).log, leaving.signal).then(
      (log) => setAttempts(log?.attempts ?? []),
      (error) => {
        if (error.name !== 'AbortError') throw error;
      },
    );
    return () => leaving.abort();
  }, [result.file_id, result.state, changed]);
  return html`<section class="card" id="history" aria-labelledby="history-heading">
    <h2 id="history-heading">${t('history.heading')}</h2>
    ${attempts !== null && html`<${Timeline} label=${t('history.heading')} steps=${stepsOf(result, attempts).map(worded)} />`}
    <${Technical} result=${result} />
  </section>`;
}

function worded({ name, attempt, stages = [], ...step }) {
  if (attempt === undefined) return { ...step, label: t(`history.${name}`) };
  const number = attempt.attempt ?? 1;
  const facts = [
    attempt.outcome !== 'processed' && attempt.reason && failureText(attempt.reason),
    attempt.worker && t('history.worker', { name: attempt.worker }),
    attempt.lane && t('history.lane', { name: attempt.lane }),
    attempt.cpu_seconds !== null && t('history.cpu', { time: formatSeconds(attempt.cpu_seconds) }),
    attempt.peak_memory_bytes !== null && t('history.memory', { size: formatBytes(attempt.peak_memory_bytes) }),
  ];
  return {
    ...step,
    label: t(`history.attempt.${attempt.outcome}`, { number }),
    detail: facts.filter(Boolean).join(' · '),
    parts: stages.map(({ name: stage, seconds }) => ({ name: stage, seconds, label: t(`stage.${stage}`) })),
  };
}

function Technical({ result }) {
  const facts = [
    ['technical.trace', result.trace_id],
    ['technical.fileId', result.file_id],
    ['technical.sha256', result.sha256],
    ['technical.sopClass', result.sop_class_uid],
    ['technical.transferSyntax', result.transfer_syntax_uid],
  ].filter(([, value]) => value);
  return html`<details class="technical">
    <summary>${t('technical.heading')}</summary>
    <dl>
      ${facts.map(
        ([key, value]) =>
          html`<div key=${key}>
            <dt>${t(key)}</dt>
            <dd><code>${value}</code> <${Copy} quiet text=${value} label=${t('copy.value', { name: t(key) })} /></dd>
          </div>`,
      )}
    </dl>
  </details>`;
}
