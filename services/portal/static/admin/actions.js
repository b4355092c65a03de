// What can be done with rows: asked first where it ends something, told afterwards, with what must be shown once.

import { foreseen } from '../app/api.js';
import { t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { toast } from '../app/toasts.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { html } from '../ui/html.js';
import { Progress } from '../ui/progress.js';
import { TypedWord } from '../ui/typed-word.js';
import { useState } from '../vendor/hooks.mjs';
import { bodyOf, messagesOf, valuesOf } from './draft.js';
import { Fields } from './fields.js';
import { textOr } from './engine.js';
import { Shown } from './shown.js';

function fits(action, row, context) {
  return action.applies === undefined || action.applies(row, context);
}

/**
 * The actions on chosen rows. `onDone()` when one is through.
 * @param {{descriptor: import('./engine.js').Descriptor, actions: import('./engine.js').AdminAction[], rows: any[],
 *   context: any, onDone: () => void, onClear: () => void}} properties
 */
export function ActionBar({ descriptor, actions, rows, context, onDone, onClear }) {
  const fitting = actions.filter((action) => rows.some((row) => fits(action, row, context)));
  return html`<div class="action-bar" role="group" aria-label=${t('admin.actions')}>
    <p>${t('admin.selected', { count: rows.length })}</p>
    <${Doing} descriptor=${descriptor} actions=${fitting} rows=${rows} context=${context} onDone=${onDone} />
    <${Button} label=${t('admin.unselect')} kind="plain" small onClick=${onClear} />
  </div>`;
}

/** The actions on one object. */
export function ActionButtons({ descriptor, actions, row, context, onDone }) {
  const fitting = actions.filter((action) => fits(action, row, context));
  return html`<${Doing} descriptor=${descriptor} actions=${fitting} rows=${[row]} context=${context} onDone=${onDone} />`;
}

function Doing({ descriptor, actions, rows, context, onDone }) {
  const [doing, setDoing] = useState(/** @type {import('./engine.js').AdminAction | null} */ (null));
  return html`
    ${actions.map(
      (action) =>
        html`<${Button}
          key=${action.name}
          label=${t(`adminAction.${action.name}`)}
          icon=${action.icon}
          class=${action.tone === 'bad' ? 'danger' : ''}
          small
          onClick=${() => setDoing(action)}
        />`,
    )}
    ${doing !== null &&
    html`<${Act}
      descriptor=${descriptor}
      action=${doing}
      rows=${rows.filter((row) => fits(doing, row, context))}
      onDone=${onDone}
      onClose=${() => setDoing(null)}
    />`}
  `;
}

// One row after the other: what one of them refuses does not keep the others.
async function runAll(action, rows, values, onStep) {
  const failed = [];
  let answer = null;
  if (action.together) {
    answer = await action.together(rows, values);
    return { failed, answer, done: action.done(answer) };
  }
  for (const [index, row] of rows.entries()) {
    try {
      answer = await action.run(row, values);
    } catch (error) {
      if (!foreseen(error)) throw error;
      failed.push({ row, error });
    }
    onStep((index + 1) / rows.length);
  }
  return { failed, answer, done: rows.length - failed.length };
}

function Act({ descriptor, action, rows, onDone, onClose }) {
  const fields = action.ask ?? [];
  const [values, setValues] = useState(() => valuesOf(fields, null));
  const [progress, setProgress] = useState(/** @type {number | null} */ (null));
  const [failed, setFailed] = useState(/** @type {any[]} */ ([]));
  const [typed, setTyped] = useState(!action.typed);
  const [refused, setRefused] = useState(/** @type {any} */ (null)); // all of them, by one answer
  const [shown, setShown] = useState(/** @type {string | null} */ (null));
  const names = rows.map(descriptor.title);
  const question = textOr(`adminAsk.${action.name}`, t('admin.sure'), { count: rows.length });

  const act = async (event) => {
    event.preventDefault();
    setProgress(0);
    setRefused(null);
    let result;
    try {
      result = await runAll(action, rows, bodyOf(fields, values), setProgress);
    } catch (error) {
      if (!foreseen(error)) throw error;
      return setRefused(error);
    } finally {
      setProgress(null);
    }
    setFailed(result.failed);
    if (result.failed.length < rows.length) toast(t('admin.done', { act: t(`adminAction.${action.name}`), count: result.done }));
    const once = result.answer && action.show ? action.show(result.answer) : null;
    if (once !== null) setShown(once);
    else if (result.failed.length === 0) {
      onClose();
      onDone();
    }
    return undefined;
  };
  const leave = () => {
    onClose();
    if (shown !== null || rows.length > failed.length || failed.length === 0) onDone();
  };
  if (shown !== null) return html`<${Shown} text=${shown} heading=${t(`adminAction.${action.name}`)} name=${action.name} onClose=${leave} />`;
  const messages = failed.length === 1 ? messagesOf(fields, failed[0].error) : {};
  const form = `act-${action.name}`;
  const buttons = html`
    <${Button} label=${t('admin.cancel')} onClick=${onClose} />
    <button type="submit" form=${form} class=${`button ${action.tone === 'bad' ? 'danger' : 'primary'}`} disabled=${progress !== null || !typed}>
      ${t(`adminAction.${action.name}`)}
    </button>
  `;
  return html`<${Dialog} heading=${t(`adminAction.${action.name}`)} onClose=${onClose} actions=${buttons}>
    <form id=${form} class="admin-form" onSubmit=${act}>
      <p>${question}</p>
      <ul class="admin-names">${names.slice(0, 10).map((name) => html`<li><bdi>${name}</bdi></li>`)}</ul>
      ${names.length > 10 && html`<p class="quiet">${t('admin.andMore', { count: names.length - 10 })}</p>`}
      ${action.name === 'delete' &&
      rows.length === 1 &&
      html`<${GoesWith} lines=${descriptor.goesWith?.(rows[0]) ?? []} />`}
      ${action.typed && html`<${TypedWord} onMatch=${setTyped} />`}
      <${Fields} fields=${fields} values=${values} messages=${messages} onChange=${setValues} />
      ${failed.map(
        ({ row, error }) => html`<p class="notice bad" role="alert"><span><bdi>${descriptor.title(row)}</bdi>: ${errorText(error)}</span></p>`,
      )}
      ${refused !== null && html`<p class="notice bad" role="alert"><span>${errorText(refused)}</span></p>`}
      ${progress !== null && html`<${Progress} value=${progress} label=${t('admin.working')} />`}
    </form>
  <//>`;
}

function GoesWith({ lines }) {
  return lines.length > 0 && html`<p>${t('admin.goesWith')}</p><ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}
