// The style sheet of a page that is shown for the first time.

const linked = new Set();

/** Link it once. @param {URL} address */
export function linkSheet(address) {
  if (linked.has(address.pathname)) return;
  linked.add(address.pathname);
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = address.pathname;
  document.head.append(link);
}
