// Pages below /s/ show what a link opens, and nothing else: whoever is signed in in this browser counts for nothing.

/** Whether this page is one of them; it stays so until another page is loaded. */
export const byLink = window.location.pathname.startsWith('/s/');

/** Where the addresses of this page's views begin. */
export const base = byLink ? '/s' : '';

/** What to ask for `path`: on a link's page, always by the link. */
export function addressed(path) {
  return byLink ? `${path}${path.includes('?') ? '&' : '?'}via=link` : path;
}

/** Who may see this page: asked when something could not be loaded. */
export const whoAddress = byLink ? '/api/links/session' : '/api/auth/me';

/** The token in this page's address, or null. */
export function tokenInAddress() {
  return /^\/s\/(dpl_[\w-]+)\/?$/.exec(window.location.pathname)?.[1] ?? null;
}
