// What administrators do with files: failed ones are measured again, measured ones anew. One request for all of them.

import { request } from '../app/api.js';

const idOf = (row) => row.file_id ?? row.id;

function act(action, rows) {
  return request('/api/results/actions', { method: 'POST', json: { action, ids: rows.map(idOf) } });
}

/** @type {import('./engine.js').AdminAction} */
export const retry = {
  name: 'retry',
  icon: 'retry',
  permission: 'retry_dicomfile',
  many: true,
  // Where the list does not say how measuring ended, the server does.
  applies: (row) => row.state === 'failed' || row.state === 'accepted',
  together: (rows) => act('retry', rows),
  done: (answer) => answer.requested,
};

/** @type {import('./engine.js').AdminAction} */
export const reprocess = {
  name: 'reprocess',
  icon: 'measure',
  permission: 'reprocess_dicomresult',
  many: true,
  applies: (row) => row.state === 'failed' || row.state === 'processed',
  together: (rows) => act('reprocess', rows),
  done: (answer) => answer.requested,
};
