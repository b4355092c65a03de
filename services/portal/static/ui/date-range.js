// A span of days behind a button: the usual ones to choose, or from and to.

import { formatDay } from '../app/format.js';
import { t } from '../app/i18n.js';
import { daysOf, PRESETS, spanOf } from '../app/spans.js';
import { useLayoutEffect, useRef, useState } from '../vendor/hooks.mjs';
import { Button } from './button.js';
import { html } from './html.js';
import { Icon } from './icon.js';
import { usePressOutside } from './outside.js';

/** What a span says, in words. */
export function spanText(span) {
  if (PRESETS.includes(span)) return t(`span.${span}`);
  const days = daysOf(span);
  if (days === null) return span;
  const { from, to } = days;
  if (from && to) return from === to ? formatDay(from) : t('span.between', { from: formatDay(from), to: formatDay(to) });
  return from ? t('span.from', { day: formatDay(from) }) : t('span.to', { day: formatDay(to) });
}

/** @param {{label: string, span: string, onChange: (span: string) => void}} properties `span`: as app/spans.js reads it */
export function DateRange({ label, span, onChange }) {
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLDivElement} */ (null));
  const close = (focus) => {
    setOpen(false);
    if (focus) box.current.querySelector('button').focus();
  };
  useLayoutEffect(() => {
    if (open) /** @type {HTMLElement} */ (box.current.querySelector('.range-panel button'))?.focus();
  }, [open]);
  usePressOutside(box, open, () => close(false));

  const choose = (next) => {
    close(true);
    if (next !== span) onChange(next);
  };
  const onSubmit = (event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const [from, to] = [String(given.get('from')), String(given.get('to'))];
    choose(from && to && from > to ? spanOf(to, from) : spanOf(from, to));
  };
  const onKey = (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    close(true);
  };
  const days = PRESETS.includes(span) ? null : daysOf(span);
  return html`<div class="menu filter-menu start" ref=${box} onKeyDown=${open ? onKey : undefined}>
    <button
      type="button"
      class="menu-button"
      aria-haspopup="dialog"
      aria-expanded=${String(open)}
      onClick=${() => setOpen(!open)}
    >
      <span>${label}</span><${Icon} name="chevron" />
    </button>
    ${open &&
    html`<div class="menu-list range-panel" role="dialog" aria-label=${label}>
      ${PRESETS.map(
        (preset) =>
          html`<button
            type="button"
            class="menu-item"
            key=${preset}
            aria-pressed=${String(span === preset)}
            onClick=${() => choose(span === preset ? '' : preset)}
          >
            <span class="menu-mark">${span === preset && html`<${Icon} name="check" />`}</span>
            <span>${t(`span.${preset}`)}</span>
          </button>`,
      )}
      <form class="range-days" onSubmit=${onSubmit}>
        <label class="field"><span>${t('span.first')}</span><input type="date" name="from" value=${days?.from} /></label>
        <label class="field"><span>${t('span.last')}</span><input type="date" name="to" value=${days?.to} /></label>
        <${Button} label=${t('span.apply')} type="submit" small kind="primary" />
      </form>
    </div>`}
  </div>`;
}
