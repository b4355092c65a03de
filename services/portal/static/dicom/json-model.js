// The DICOM JSON Model (PS3.18 annex F) as lines of a table. Nothing here touches the page.

const BINARY = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'UN']);

/** "00100010" as "(0010,0010)". */
export function formatTag(tag) {
  return `(${tag.slice(0, 4)},${tag.slice(4)})`.toUpperCase();
}

/** Whether a tag is private: its group is odd (PS3.5 7.8). */
export function isPrivate(tag) {
  return parseInt(tag.slice(3, 4), 16) % 2 === 1;
}

/** The values of an element as one text; `words.bulk` stands for values kept elsewhere. */
export function valueText(element, words) {
  if (element.BulkDataURI !== undefined) return words.bulk;
  if (element.InlineBinary !== undefined) return element.InlineBinary;
  return (element.Value ?? []).map(oneValue).join(' \\ ');
}

function oneValue(value) {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'object') return String(value);
  const names = [value.Alphabetic, value.Ideographic, value.Phonetic].filter(Boolean); // a person's name
  return names.length > 0 ? names.join('=') : JSON.stringify(value);
}

/**
 * The lines of a dataset, depth first: {path, tag, vr, name, local, text, depth, items?} for an element (`local`: its
 * name in the reader's language, where `words.local` has one),
 * {path, item, depth} for an item of a sequence. `isOpen(path)` decides which sequences are entered.
 */
export function* lines(dataset, names, words, isOpen, depth = 0, prefix = '') {
  for (const tag of Object.keys(dataset).sort()) {
    const element = dataset[tag] ?? {};
    const path = `${prefix}/${tag}`;
    const sequence = element.vr === 'SQ';
    const items = sequence ? (element.Value ?? []) : null;
    yield {
      path,
      tag,
      vr: element.vr ?? '',
      name: names[tag] ?? names[repeating(tag)] ?? '',
      local: words.local?.[tag] ?? '',
      text: sequence ? '' : valueText(element, words),
      binary: BINARY.has(element.vr),
      depth,
      items,
    };
    if (items === null || !isOpen(path)) continue;
    for (const [index, item] of items.entries()) {
      yield { path: `${path}/${index}`, item: index + 1, depth: depth + 1 };
      yield* lines(item ?? {}, names, words, isOpen, depth + 2, `${path}/${index}`);
    }
  }
}

// Curves (50xx) and overlays (60xx) repeat one group's meaning in many.
function repeating(tag) {
  return /^(50|60)/.test(tag) ? `${tag.slice(0, 2)}xx${tag.slice(4)}` : tag;
}

/** Whether a line contains `needle` (lower case): in its tag (from four digits on), name or value. */
export function matches(line, needle) {
  if (line.item !== undefined) return false;
  const digits = needle.replace(/[(),\s]/g, '');
  return (
    (/^[0-9a-f]{4,8}$/.test(digits) && line.tag.toLowerCase().includes(digits)) ||
    (plain(needle) !== '' && [line.name, line.local].some((name) => plain(name).includes(plain(needle)))) ||
    line.text.toLowerCase().includes(needle)
  );
}

// Letters and digits only, without accents and the genitive, so that "PatientName" finds "Patient's Name" too.
function plain(name) {
  return name
    .toLowerCase()
    .normalize('NFD')
    .replace(/['’]s\b/g, '')
    .replace(/[^\p{L}\p{N}]/gu, '');
}
