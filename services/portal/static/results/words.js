// Values of headers in the reader's words.

import { formatDay } from '../app/format.js';
import { t } from '../app/i18n.js';
import { readable } from '../dicom/readable.js';

/** A value as people read it, or '' where it reads well as it is written. */
export function readableText(vr, text) {
  const found = readable(vr, text);
  if (!found) return '';
  if (found.kind === 'name') return found.name;
  if (found.kind === 'time') return found.time;
  if (found.kind === 'age') return t(`lasted.${found.unit}`, { count: found.value });
  const day = formatDay(found.day);
  return found.kind === 'day' ? day : `${day}, ${found.time}`;
}
