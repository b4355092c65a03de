// The form of one object. What is typed stays when the object is asked for again, and says so where somebody else has
// changed the same meanwhile.

import { foreseen } from '../app/api.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { changesOf, fieldsFor, messagesOf, rebased, valuesOf } from './draft.js';
import { labelOf, may } from './engine.js';
import { Fields } from './fields.js';
import { LeaveGuard } from './guard.js';

/**
 * `row`: null for one that is to be made; `latest()`: what it is by now, asked before it is saved: a request to change it
 * names what was changed only, so the server sees no conflict.
 * @param {{descriptor: import('./engine.js').Descriptor, row: any, context: any, latest?: (() => Promise<any>) | null,
 *   onSave: (values: any, fields: any[]) => Promise<void>}} properties
 */
export function ObjectForm({ descriptor, row, context, latest = null, onSave }) {
  const fields = fieldsFor(descriptor, row);
  const [draft, setDraft] = useState(() => ({ before: valuesOf(fields, row), values: valuesOf(fields, row), conflicts: /** @type {string[]} */ ([]) }));
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const form = useRef(/** @type {HTMLFormElement} */ (null));
  const known = useRef(row);
  const { before, values } = draft;
  const setValues = (next) => setDraft((old) => ({ ...old, values: next }));
  const undo = () => setDraft((old) => ({ ...old, values: old.before, conflicts: [] }));
  const open = may(context.user, descriptor, row === null ? 'add' : 'change');
  const closed = (field) => !open || working || (row !== null && field.closed?.(row, context) === true);
  const changes = changesOf(values, before);
  const conflicts = draft.conflicts.filter((name) => name in changes);
  const dirty = Object.keys(changes).length > 0;
  const messages = problem === null ? {} : messagesOf(fields, problem);

  useLayoutEffect(() => {
    if (known.current === row) return;
    known.current = row;
    setDraft((old) => follow(old, valuesOf(fields, row)));
  }, [row]);

  const save = async (event) => {
    event.preventDefault();
    setProblem(null);
    setWorking(true);
    try {
      const now = latest === null ? null : rebased(values, before, valuesOf(fields, await latest()));
      if (now !== null && now.conflicts.length > 0) setDraft(now);
      else await onSave(row === null ? values : changes, fields);
    } catch (error) {
      if (!foreseen(error)) throw error;
      setProblem(error);
    }
    setWorking(false);
  };
  useEffect(() => {
    if (problem !== null) /** @type {HTMLElement | null} */ (form.current.querySelector('[aria-invalid="true"]'))?.focus();
  }, [problem]);
  return html`<form ref=${form} class="admin-form" method="post" onSubmit=${save}>
    ${problem !== null &&
    Object.keys(messages).length === 0 &&
    html`<div class="notice bad" role="alert">
      <${Icon} name="alert" />
      <div><p>${errorText(problem)}</p>${problem.detail && html`<p class="quiet" lang="en">${problem.detail}</p>`}</div>
    </div>`}
    ${conflicts.length > 0 && html`<${Conflicts} fields=${fields.filter(({ name }) => conflicts.includes(name))} now=${before} />`}
    <${Fields} fields=${fields} values=${values} messages=${messages} closed=${closed} onChange=${setValues} />
    ${open &&
    html`<div class="form-actions">
      <button type="submit" class="button primary" disabled=${working || (row !== null && !dirty)}>
        ${t(working ? 'admin.saving' : 'admin.save')}
      </button>
      ${row !== null && dirty && html`<${Button} label=${t('admin.undo')} onClick=${undo} />`}
    </div>`}
    <${LeaveGuard} dirty=${dirty && !working} />
  </form>`;
}

// A conflict that was told stays told until it is saved or given up.
function follow(old, now) {
  const next = rebased(old.values, old.before, now);
  return { ...next, conflicts: [...new Set([...old.conflicts, ...next.conflicts])] };
}

function Conflicts({ fields, now }) {
  return html`<div class="notice bad" role="alert">
    <${Icon} name="alert" />
    <div>
      <p>${t('admin.conflict')}</p>
      <ul>${fields.map((field) => html`<li key=${field.name}>${labelOf(field)}${valueOf(field, now[field.name])}</li>`)}</ul>
      <p>${t('admin.conflictText')}</p>
    </div>
  </div>`;
}

// What is chosen in two lists is too much for a line.
function valueOf(field, value) {
  if (Array.isArray(value)) return '';
  const text = typeof value === 'boolean' ? t(value ? 'admin.yes' : 'admin.no') : (field.text?.(value) ?? (String(value) || '—'));
  return html`: <bdi>${text}</bdi>`;
}
