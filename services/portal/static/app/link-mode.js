// Pages below /s/ show what a link opens, and nothing else: whoever is signed in in this browser counts for nothing.

import { root } from './root.js';

/** Whether this page is one of them; it stays so until another page is loaded. */
export const byLink = window.location.pathname.startsWith(`${root}/s/`);

/** Where the addresses of this page's views begin. */
export const base = byLink ? `${root}/s` : root;

/** The address to ask for `path`, which begins with /api; on a link's page, always by the link. */
export function addressed(path) {
  const address = `${root}${path}`;
  return byLink ? `${address}${path.includes('?') ? '&' : '?'}via=link` : address;
}

/** Who may see this page: asked when something could not be loaded. */
export const whoAddress = byLink ? '/api/links/session' : '/api/auth/me';

/** The token in this page's address, or null. */
export function tokenInAddress() {
  return /^\/s\/(dpl_[\w-]+)\/?$/.exec(window.location.pathname.slice(root.length))?.[1] ?? null;
}
