// Copies a text; nothing where the browser keeps the clipboard from pages.

import { announce } from '../app/announce.js';
import { t } from '../app/i18n.js';
import { useEffect, useState } from '../vendor/hooks.mjs';
import { Button, IconButton } from './button.js';
import { html } from './html.js';

const SAID = 4000; // milliseconds that the button says so

/** `quiet`: only its icon is seen. @param {{text: string, label?: string, quiet?: boolean}} properties */
export function Copy({ text, label = t('copy.copy'), quiet = false }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), SAID);
    return () => clearTimeout(timer);
  }, [done]);
  if (!navigator.clipboard) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    announce(t('copy.done'));
    setDone(true);
  };
  const told = { label: done ? t('copy.done') : label, icon: done ? 'check' : 'copy', onClick: copy };
  return quiet ? html`<${IconButton} class="copy" ...${told} />` : html`<${Button} small ...${told} />`;
}
