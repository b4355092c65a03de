// What administrators do with files: failed ones are measured again.

import { request } from '../app/api.js';

/** @type {import('./engine.js').AdminAction} */
export const retry = {
  name: 'retry',
  icon: 'retry',
  permission: 'retry_dicomfile',
  many: true,
  // Where the list does not say how measuring ended, the server does.
  applies: (row) => row.state === 'failed' || row.state === 'accepted',
  run: (row) => request(`/api/results/${encodeURIComponent(row.file_id ?? row.id)}/retry`, { method: 'POST' }),
};
