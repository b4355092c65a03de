// Settings in force, releases, schemas, room and certificates.

/** @type {import('../engine.js').Descriptor} */
export const settings = {
  name: 'settings',
  area: 'processing',
  icon: 'info',
  permissions: { view: 'view_setting' },
  page: { areas: [], load: () => import('../operations/settings.js') },
};
