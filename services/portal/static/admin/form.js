// One object: made, changed or looked at; with what can be done with it, and what was changed of it.

import { ApiError, foreseen, request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { go } from '../app/router.js';
import { setTitle } from '../app/title.js';
import { toast } from '../app/toasts.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { Button } from '../ui/button.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icon.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { ActionButtons } from './actions.js';
import { bodyOf, changesOf, fieldsFor, messagesOf, valuesOf } from './draft.js';
import { actionsFor, adminAddress, itemPath, may, nameOf } from './engine.js';
import { Fields } from './fields.js';
import { LeaveGuard } from './guard.js';
import { ObjectHistory } from './history.js';
import { Shown } from './shown.js';
import { Trail } from './trail.js';

/** @param {{descriptor: import('./engine.js').Descriptor, work: any}} properties */
export function AddPage({ descriptor, work }) {
  const heading = useHeading(() => t('admin.addOne', { what: nameOf(descriptor, 'single') }), []);
  const [made, setMade] = useState(/** @type {any} */ (null));
  const context = { user: work.user, names: (_, id) => `${id}` };
  const leave = (answer) => {
    const key = descriptor.key(answer);
    go(descriptor.permissions.change ? adminAddress(descriptor.name, key) : adminAddress(descriptor.name), { replace: true });
  };
  const save = async (values, fields) => {
    const answer = await request(descriptor.path, { method: 'POST', json: bodyOf(fields, values, { adding: true }) });
    toast(t('admin.added', { name: descriptor.title(answer) }));
    const once = descriptor.made?.(answer) ?? null;
    if (once !== null) setMade({ answer, once });
    else leave(answer);
  };
  return html`<div class="admin">
    <${Trail} descriptor=${descriptor} />
    <div class="page-head"><h1 tabindex="-1" ref=${heading}>${t('admin.addOne', { what: nameOf(descriptor, 'single') })}</h1></div>
    <section class="card"><${ObjectForm} descriptor=${descriptor} row=${null} context=${context} onSave=${save} /></section>
    ${made !== null &&
    html`<${Shown} text=${made.once} heading=${descriptor.title(made.answer)} name=${descriptor.name} onClose=${() => leave(made.answer)} />`}
  </div>`;
}

/** @param {{descriptor: import('./engine.js').Descriptor, work: any, objectKey: string}} properties */
export function ChangePage({ descriptor, work, objectKey }) {
  // Each answer makes the form anew.
  const [{ row, error, version }, setShown] = useState({ row: /** @type {any} */ (null), error: /** @type {any} */ (null), version: 0 });
  const show = (found) => setShown((before) => ({ row: found, error: null, version: before.version + 1 }));
  const [again, setAgain] = useState(0);
  const heading = useHeading(() => (row === null ? nameOf(descriptor, 'single') : descriptor.title(row)), [row === null]);
  const context = { user: work.user, names: (_, id) => `${id}` };
  useEffect(() => {
    const leaving = new AbortController();
    load(descriptor, objectKey, leaving.signal).then(
      show,
      (problem) => {
        if (foreseen(problem)) setShown({ row: null, error: problem, version: 0 });
        else if (problem.name !== 'AbortError') throw problem;
      },
    );
    return () => leaving.abort();
  }, [descriptor, objectKey, again]);

  const reload = () => setAgain((count) => count + 1);
  const save = async (values, fields) => {
    const json = bodyOf(fields, values);
    const answer = await request(itemPath(descriptor, objectKey), { method: 'PATCH', json });
    toast(t('admin.changed', { name: descriptor.title(answer) }));
    show(answer);
  };
  const remove = {
    name: 'delete',
    icon: 'trash',
    tone: 'bad',
    permission: null,
    run: (one) => request(itemPath(descriptor, descriptor.key(one)), { method: 'DELETE' }),
  };
  if (error !== null)
    return html`<div class="admin">
      <${Trail} descriptor=${descriptor} />
      <section class="card">
        ${error.status === 404
          ? html`<${Empty} icon=${descriptor.icon} heading=${nameOf(descriptor, 'single')} text=${t('admin.gone')} />`
          : html`<${ErrorState} error=${error} heading=${t('error.heading')} retry=${reload} />`}
      </section>
    </div>`;
  if (row === null)
    return html`<div class="admin"><${Trail} descriptor=${descriptor} /><section class="card"><${Skeleton} /></section></div>`;
  return html`<div class="admin">
    <${Trail} descriptor=${descriptor} />
    <div class="page-head">
      <h1 tabindex="-1" ref=${heading}><bdi>${descriptor.title(row)}</bdi></h1>
      <p class="quiet">${nameOf(descriptor, 'single')}</p>
      <div class="page-actions">
        <${ActionButtons} descriptor=${descriptor} actions=${actionsFor(work.user, descriptor)} row=${row} context=${context} onDone=${reload} />
        ${may(work.user, descriptor, 'delete') &&
        html`<${ActionButtons}
          descriptor=${descriptor}
          actions=${[remove]}
          row=${row}
          context=${context}
          onDone=${() => go(adminAddress(descriptor.name), { replace: true })}
        />`}
      </div>
    </div>
    <section class="card" aria-label=${t('admin.data')}>
      <${ObjectForm} key=${version} descriptor=${descriptor} row=${row} context=${context} onSave=${save} />
    </section>
    ${descriptor.Beside && html`<${descriptor.Beside} row=${row} context=${context} changed=${version} />`}
    ${descriptor.model &&
    work.user.permissions.includes('view_logentry') &&
    html`<${ObjectHistory} model=${descriptor.model} objectKey=${objectKey} changed=${version} />`}
  </div>`;
}

// Where no call gives one object, it is looked for in the list.
async function load(descriptor, key, signal) {
  if (!descriptor.whole) return request(itemPath(descriptor, key), { signal });
  const answer = await request(descriptor.path, { signal });
  const found = answer[descriptor.list].find((row) => descriptor.key(row) === key);
  if (found === undefined) throw new ApiError(404, { code: 'not-found' });
  return found;
}

function useHeading(text, changed) {
  const heading = useRef(/** @type {HTMLHeadingElement} */ (null));
  useLayoutEffect(() => {
    setTitle(text);
    heading.current?.focus();
  }, changed);
  return heading;
}

function ObjectForm({ descriptor, row, context, onSave }) {
  const fields = fieldsFor(descriptor, row);
  const [before] = useState(() => valuesOf(fields, row));
  const [values, setValues] = useState(before);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const form = useRef(/** @type {HTMLFormElement} */ (null));
  const open = may(context.user, descriptor, row === null ? 'add' : 'change');
  const closed = (field) => !open || working || (row !== null && field.closed?.(row, context) === true);
  const changes = changesOf(values, before);
  const dirty = Object.keys(changes).length > 0;
  const messages = problem === null ? {} : messagesOf(fields, problem);

  const save = async (event) => {
    event.preventDefault();
    setProblem(null);
    setWorking(true);
    try {
      await onSave(row === null ? values : changes, fields);
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
    <${Fields} fields=${fields} values=${values} messages=${messages} closed=${closed} onChange=${setValues} />
    ${open &&
    html`<div class="form-actions">
      <button type="submit" class="button primary" disabled=${working || (row !== null && !dirty)}>
        ${t(working ? 'admin.saving' : 'admin.save')}
      </button>
      ${row !== null && dirty && html`<${Button} label=${t('admin.undo')} onClick=${() => setValues(before)} />`}
    </div>`}
    <${LeaveGuard} dirty=${dirty && !working} />
  </form>`;
}
