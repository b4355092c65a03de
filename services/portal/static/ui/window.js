// Which rows of a long list stand in the page. Nothing here touches the page.

const SPARE = 8; // rows above and below what is seen

/**
 * The rows to draw, as stretches from `first` up to and without `end`. `top`: how far the list's beginning is above the
 * upper edge of the view, in pixels; `keep`: the row that may have the focus, drawn wherever it is; -1 for none.
 */
export function drawnRows({ count, rowHeight, top, viewHeight, keep = -1 }) {
  const first = Math.min(Math.max(Math.floor(top / rowHeight) - SPARE, 0), Math.max(count - 1, 0));
  const last = Math.min(Math.ceil((top + viewHeight) / rowHeight) + SPARE, count);
  const seen = { first, end: Math.max(last, Math.min(first + 1, count)) };
  const kept = { first: keep, end: keep + 1 };
  if (keep < 0 || keep >= count || (keep >= seen.first && keep < seen.end)) return [seen];
  return keep < seen.first ? [kept, seen] : [seen, kept];
}

/** Where a key leads from row `at`: the number of a row, or null for keys that do not move. */
export function movedBy(key, { at, count, page }) {
  const to = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: count - 1,
  }[key];
  return to === undefined || count === 0 ? null : Math.min(Math.max(to, 0), count - 1);
}
