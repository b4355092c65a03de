// Which page is at which address, and who is led there.

/** @type {import('./page.js').Route[]} */
export const ROUTES = [
  {
    pattern: /^\/studies\/?$/,
    areas: ['studies'],
    permission: 'view_dicomresult',
    load: () => import('../studies/list-page.js'),
  },
  {
    pattern: /^\/studies\/([0-9.]+)\/?$/,
    areas: ['studies'],
    permission: 'view_dicomresult',
    load: () => import('../studies/study-page.js'),
  },
  {
    pattern: /^\/studies\/([0-9.]+)\/view\/?$/,
    areas: ['results', 'viewer'],
    permission: 'view_dicomresult',
    load: () => import('../viewer/page.js'),
  },
  {
    pattern: /^\/files\/?$/,
    areas: ['results'],
    permission: 'view_dicomresult',
    load: () => import('../results/list-page.js'),
  },
  {
    pattern: /^\/upload$/,
    areas: ['upload'],
    permission: 'add_dicomfile',
    load: () => import('../upload/page.js'),
  },
  {
    pattern: /^\/results\/([^/]+)$/,
    areas: ['results'],
    permission: 'view_dicomresult',
    load: () => import('../results/result-page.js'),
  },
  {
    pattern: /^\/shared$/,
    areas: ['shares'],
    permission: 'view_share',
    load: () => import('../shares/shared-page.js'),
  },
  {
    pattern: /^\/compare$/,
    areas: ['results'],
    permission: 'view_dicomresult',
    load: () => import('../results/compare-page.js'),
  },
  {
    pattern: /^\/account$/,
    areas: ['account'],
    permission: null,
    load: () => import('../account/page.js'),
  },
  {
    pattern: /^\/authorize$/,
    areas: ['account'],
    permission: null,
    load: () => import('../account/authorize-page.js'),
  },
  {
    pattern: /^\/help\/?$/,
    areas: ['help'],
    permission: null,
    open: true,
    load: () => import('../help/guide-page.js'),
  },
  {
    pattern: /^\/help\/programs\/?$/,
    areas: ['help'],
    permission: null,
    open: true,
    load: () => import('../help/programs-page.js'),
  },
  {
    pattern: /^\/__ui$/,
    areas: ['stories', 'results', 'operations'],
    permission: null,
    open: true,
    load: () => import('../stories/page.js'),
  },
  {
    pattern: /^\/admin(?:\/([^/]+)(?:\/([^/]+))?)?\/?$/,
    areas: ['admin', 'operations'],
    permission: null,
    allowed: administers,
    load: () => import('../admin/page.js'),
  },
];

/** What only those who administer may do; each of these has a page of the administration. */
const ADMINISTERING = [
  'view_user',
  'view_group',
  'view_permission',
  'view_session',
  'view_apikey',
  'view_serviceaccount',
  'view_application',
  'view_peer',
  'view_entry',
  'view_logentry',
  'view_queue',
  'view_worker',
  'view_job',
  'view_deadletter',
  'view_setting',
];

/** Whether the administration is open to `user`: to staff, and to whoever may see something of it. */
function administers(user) {
  return user.staff || ADMINISTERING.some((permission) => user.permissions.includes(permission));
}

/** The ways through the portal: path, sentence, icon, who may take it, letter after `g`. */
export const ENTRIES = [
  { path: '/studies', name: 'nav.studies', icon: 'studies', permission: 'view_dicomresult', key: 's' },
  { path: '/files', name: 'nav.files', icon: 'file', permission: 'view_dicomresult', key: 'f' },
  { path: '/upload', name: 'nav.upload', icon: 'upload', permission: 'add_dicomfile', key: 'u' },
  { path: '/shared', name: 'nav.shared', icon: 'share', permission: 'view_share', key: 'c' },
  { path: '/admin', name: 'nav.admin', icon: 'admin', allowed: administers, key: 'a' },
];

/** Those that `user` may take. */
export function entriesOf(user) {
  return ENTRIES.filter((entry) => entry.allowed?.(user) ?? user.permissions.includes(entry.permission));
}
