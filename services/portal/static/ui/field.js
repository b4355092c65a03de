// Labelled fields: of one line, a number, a choice, a box to tick. What is wrong with one stands below it.

import { useId } from '../vendor/hooks.mjs';
import { html } from './html.js';

/**
 * @typedef {{label: string, error?: any, hint?: any, name: string, [more: string]: any}} FieldProperties
 * `more` goes to the control.
 */

// What is below is the field's description, not part of its name.
function Below({ id, error, hint }) {
  const below = error || hint;
  return below && html`<span id=${id} class=${error ? 'field-error' : 'quiet'}>${below}</span>`;
}

function described(id, { error, hint }) {
  return { 'aria-invalid': error ? 'true' : undefined, 'aria-describedby': error || hint ? id : undefined };
}

/** `kind: 'textarea'` makes it several lines. @param {FieldProperties & {kind?: 'input' | 'textarea'}} properties */
export function Field({ label, error = '', hint = '', name, kind = 'input', ...more }) {
  const id = useId();
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <${kind} id=${id} name=${name} ...${described(`${id}-hint`, { error, hint })} ...${more} />
    <${Below} id=${`${id}-hint`} error=${error} hint=${hint} />
  </div>`;
}

/** @param {FieldProperties & {choices: {value: string, label: string}[], value: string}} properties */
export function SelectField({ label, error = '', hint = '', name, choices, value, ...more }) {
  const id = useId();
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} name=${name} ...${described(`${id}-hint`, { error, hint })} ...${more}>
      ${choices.map(
        (choice) =>
          html`<option key=${choice.value} value=${choice.value} selected=${choice.value === value}>${choice.label}</option>`,
      )}
    </select>
    <${Below} id=${`${id}-hint`} error=${error} hint=${hint} />
  </div>`;
}

/**
 * A number told with up to `digits` decimals, however many it has. `onChange(number)`: false where it cannot be that.
 * @param {{label: string, value: number, digits: number, onChange: (value: number) => unknown}} properties
 */
export function NumberField({ label, value, digits, onChange }) {
  const id = useId();
  const shown = Number(value.toFixed(digits));
  const change = ({ currentTarget: field }) => {
    if (field.value === '' || onChange(Number(field.value)) === false) field.value = shown;
  };
  return html`<div class="field number-field">
    <label for=${id}>${label}</label>
    <input id=${id} type="number" step="any" value=${shown} onChange=${change} />
  </div>`;
}

/** @param {FieldProperties & {checked: boolean}} properties */
export function CheckField({ label, error = '', hint = '', name, ...more }) {
  const id = useId();
  return html`<div class="field check-field">
    <label class="check" for=${id}>
      <input type="checkbox" id=${id} name=${name} ...${described(`${id}-hint`, { error, hint })} ...${more} />
      <span>${label}</span>
    </label>
    <${Below} id=${`${id}-hint`} error=${error} hint=${hint} />
  </div>`;
}
