// The style sheet of a page that is shown for the first time.

/** Those that are there: the page's own may hold others, which it names. */
const linked = new Set(
  [.../** @type {NodeListOf<HTMLLinkElement>} */ (document.querySelectorAll('link[data-holds]'))].flatMap((link) =>
    link.dataset.holds.split(' ').map((name) => new URL(`../${name}`, link.href).pathname),
  ),
);

/** Link it once. @param {URL} address */
export function linkSheet(address) {
  if (linked.has(address.pathname)) return;
  linked.add(address.pathname);
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = address.pathname;
  document.head.append(link);
}
