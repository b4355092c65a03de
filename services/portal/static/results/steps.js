// What was done with a file, from its log, as steps of a timeline. Nothing here touches the page.

const STAGES = ['fetch', 'decode', 'measure', 'store'];
const OUTCOMES = { processed: ['check', 'good'], failed: ['alert', 'bad'], retried: ['retry', 'pending'] };

/** When an id was drawn (UUIDv7: its first 48 bits are milliseconds), which is before the first byte came; null for others. */
export function drawnAt(fileId) {
  const digits = fileId.replaceAll('-', '');
  return digits[12] === '7' ? new Date(parseInt(digits.slice(0, 12), 16)).toISOString() : null;
}

function between(from, to) {
  return from && to ? Math.max((Date.parse(to) - Date.parse(from)) / 1000, 0) : null;
}

/**
 * Steps as {key, icon, tone, name, at, seconds, attempt?, stages?}: upload, stored, then for each attempt queued and work,
 * and what there is at last. `stages`: {name, seconds} of an attempt.
 */
export function stepsOf(result, attempts) {
  const drawn = drawnAt(result.file_id);
  const begin = drawn !== null && result.received_at !== null && drawn <= result.received_at ? drawn : null;
  const steps = [
    begin && { key: 'upload', icon: 'upload', tone: 'quiet', name: 'upload', at: begin, seconds: between(begin, result.received_at) },
    result.received_at && { key: 'stored', icon: 'check', tone: 'quiet', name: 'stored', at: result.received_at, seconds: null },
    ...attempts.flatMap(attemptSteps),
  ].filter(Boolean);
  if (result.state === 'received') return [...steps, { key: 'now', icon: 'clock', tone: 'pending', name: 'waiting', at: null, seconds: null }];
  const end = attempts.at(-1)?.finished_at ?? result.processed_at;
  const [icon, tone] = OUTCOMES[result.state] ?? ['info', 'quiet'];
  return [...steps, { key: 'end', icon, tone, name: result.state, at: end, seconds: between(begin ?? result.received_at, end) }];
}

function attemptSteps(attempt, index) {
  const [icon, tone] = OUTCOMES[attempt.outcome];
  const stages = STAGES.map((name) => ({ name, seconds: attempt[`${name}_seconds`] })).filter(({ seconds }) => seconds !== null);
  return [
    attempt.waited_seconds !== null && {
      key: `queued-${index}`,
      icon: 'clock',
      tone: 'quiet',
      name: 'queued',
      at: null,
      seconds: attempt.waited_seconds,
    },
    {
      key: `attempt-${index}`,
      icon,
      tone,
      name: 'attempt',
      at: attempt.started_at ?? attempt.finished_at,
      seconds: between(attempt.started_at, attempt.finished_at),
      attempt,
      stages,
    },
  ];
}
