// Queues, lanes and workers, live.

/** @type {import('../engine.js').Descriptor} */
export const processing = {
  name: 'processing',
  area: 'processing',
  icon: 'measure',
  permissions: { view: 'view_queue' },
  page: { areas: [], load: () => import('../operations/processing.js') },
};
