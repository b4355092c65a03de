// A table as text that spreadsheets open. Nothing here touches the page.

const FORMULA = /^[=+\-@\t\r]/; // spreadsheets run what begins so; names of files are strangers' words

/** One cell: quoted where it must, and never a formula. */
export function cell(value) {
  const text = String(value ?? '');
  const safe = typeof value === 'string' && FORMULA.test(text) ? `'${text}` : text;
  return /["\n\r,;]|^'|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Lines with a mark that says UTF-8. @param {unknown[][]} rows */
export function csv(rows, separator = ',') {
  return `\uFEFF${rows.map((row) => row.map(cell).join(separator)).join('\r\n')}\r\n`;
}
