// One object: made, changed or looked at; with what can be done with it, and what was changed of it.

import { ApiError, foreseen, request } from '../app/api.js';
import { t } from '../app/i18n.js';
import { go } from '../app/router.js';
import { setTitle } from '../app/title.js';
import { toast } from '../app/toasts.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { html } from '../ui/html.js';
import { Stale } from '../ui/stale.js';
import { Empty, ErrorState, Skeleton } from '../ui/states.js';
import { ActionButtons } from './actions.js';
import { bodyOf } from './draft.js';
import { actionsFor, adminAddress, itemPath, may, nameOf } from './engine.js';
import { ObjectHistory } from './history.js';
import { ObjectForm } from './object-form.js';
import { Shown } from './shown.js';
import { Trail } from './trail.js';

const NOTHING = { row: null, error: null, version: 0, saved: 0, at: null, stale: null };

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
  // `version` counts the answers; `saved` what was saved of the form, which begins anew after it and at no other answer.
  const [{ row, error, version, saved, at, stale }, setShown] = useState(/** @type {any} */ (NOTHING));
  const show = (found, saves = 0) =>
    setShown((before) => ({ row: found, error: null, version: before.version + 1, saved: before.saved + saves, at: new Date(), stale: null }));
  const [again, setAgain] = useState(0);
  const loading = useRef(new AbortController());
  const heading = useHeading(() => (row === null ? nameOf(descriptor, 'single') : descriptor.title(row)), [row === null]);
  const context = { user: work.user, names: (_, id) => `${id}` };
  useEffect(() => {
    const leaving = new AbortController();
    loading.current = leaving;
    load(descriptor, objectKey, leaving.signal).then(
      (found) => show(found),
      (problem) => {
        if (problem.name === 'AbortError') return;
        if (!foreseen(problem)) throw problem;
        // What was typed stays as long as there is an object that it may be of.
        const gone = problem instanceof ApiError && problem.status === 404;
        setShown((before) => (before.row === null || gone ? { ...NOTHING, error: problem } : { ...before, stale: problem }));
      },
    );
    return () => leaving.abort();
  }, [descriptor, objectKey, again]);

  const reload = () => setAgain((count) => count + 1);
  const save = async (values, fields) => {
    const json = bodyOf(fields, values);
    const answer = await request(itemPath(descriptor, objectKey), { method: 'PATCH', json });
    toast(t('admin.changed', { name: descriptor.title(answer) }));
    loading.current.abort(); // it may say what was before
    show(answer, 1);
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
          onDone=${() => go(adminAddress(descriptor.name), { replace: true, asking: false })}
        />`}
      </div>
    </div>
    ${stale !== null && html`<${Stale} at=${at} error=${stale} retry=${reload} />`}
    <section class="card" aria-label=${t('admin.data')}>
      <${ObjectForm}
        key=${saved}
        descriptor=${descriptor}
        row=${row}
        context=${context}
        latest=${() => load(descriptor, objectKey)}
        onSave=${save}
      />
    </section>
    ${descriptor.Beside && html`<${descriptor.Beside} row=${row} context=${context} changed=${version} />`}
    ${descriptor.model &&
    work.user.permissions.includes('view_logentry') &&
    html`<${ObjectHistory} model=${descriptor.model} objectKey=${objectKey} changed=${version} />`}
  </div>`;
}

// Where no call gives one object, it is looked for in the list.
async function load(descriptor, key, signal = undefined) {
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
