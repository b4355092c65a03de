// The fields of a form, by their kind; what is wrong with one stands at it.

import { foreseen } from '../app/api.js';
import { hasText, t } from '../app/i18n.js';
import { errorText } from '../app/problems.js';
import { CheckField, Field, SelectField } from '../ui/field.js';
import { html } from '../ui/html.js';
import { Picker } from '../ui/picker.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { AccountField } from './account-field.js';
import { labelOf, textOr } from './engine.js';

/**
 * @param {{fields: import('./engine.js').AdminField[], values: Record<string, any>, messages?: Record<string, any>,
 *   closed?: (field: any) => boolean, onChange: (values: Record<string, any>) => void}} properties
 */
export function Fields({ fields, values, messages = {}, closed = () => false, onChange }) {
  return fields.map(
    (field) =>
      html`<${One}
        key=${field.name}
        field=${field}
        value=${values[field.name]}
        error=${message(field, messages[field.name])}
        closed=${closed(field)}
        onChange=${(value) => onChange({ ...values, [field.name]: value })}
      />`,
  );
}

// In the reader's words where there are some; the server's own sentence says what exactly.
function message(field, wrong) {
  if (!wrong) return '';
  const { code } = wrong.error;
  const key = `adminWrong.${code}.${field.name}`;
  if (hasText(key)) return t(key);
  if (code !== 'invalid-request' && hasText(`problem.${code}`)) return errorText(wrong.error);
  return html`${t('admin.wrong')} <span lang="en">${wrong.message}</span>`;
}

function One({ field, value, error, closed, onChange }) {
  const { name, kind = 'text', required = false } = field;
  const label = labelOf(field);
  const hint = textOr(`adminHint.${field.label ?? name}`, '');
  const common = { name, label, error, hint, disabled: closed };
  if (kind === 'picker') return html`<${Loaded} field=${field} common=${common} value=${value} onChange=${onChange} />`;
  if (kind === 'account') return html`<${AccountField} common=${common} value=${value} onChange=${onChange} />`;
  if (kind === 'check')
    return html`<${CheckField} ...${common} checked=${value} onChange=${(event) => onChange(event.currentTarget.checked)} />`;
  if (kind === 'select') {
    const choices = field.values.map((one) => ({ value: one, label: field.text(one) }));
    return html`<${SelectField} ...${common} choices=${choices} value=${value} onChange=${(event) => onChange(event.currentTarget.value)} />`;
  }
  return html`<${Field}
    ...${common}
    type=${kind}
    value=${value}
    required=${required}
    maxlength="1024"
    autocomplete=${field.autocomplete ?? 'off'}
    ...${field.more ?? {}}
    onInput=${(event) => onChange(event.currentTarget.value)}
  />`;
}

// What can be chosen comes from the server.
function Loaded({ field, common, value, onChange }) {
  const [choices, setChoices] = useState([]);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    let wanted = true;
    field.load().then(
      (found) => wanted && setChoices(found),
      (error) => {
        if (!foreseen(error)) throw error;
        if (wanted) setProblem(errorText(error));
      },
    );
    return () => {
      wanted = false;
    };
  }, [field]);
  return html`<${Picker}
    label=${common.label}
    hint=${common.hint}
    error=${common.error || problem}
    disabled=${common.disabled}
    choices=${choices}
    value=${value}
    onChange=${onChange}
  />`;
}
