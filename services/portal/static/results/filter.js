// What a list of files is filtered and sorted by: from the address and back, and to the server.

import { filterLanguage } from '../app/filter.js';
import { momentsOf } from '../app/spans.js';

export const STATES = ['processed', 'received', 'failed'];

const { filterOf, sortOf, queryOf, typed } = filterLanguage({
  names: ['q', 'state', 'modality', 'device', 'owner', 'received'],
  states: [...STATES, 'superseded'],
  sorts: ['-received', 'received'],
  words: {
    mod: 'modality',
    modalidad: 'modality',
    modality: 'modality',
    estado: 'state',
    state: 'state',
    equipo: 'device',
    device: 'device',
  },
});

export { filterOf, sortOf, queryOf, typed };

/** Query parameters of GET /api/results: days of the reader's clock as instants. */
export function parametersOf({ received = '', ...rest }, now = new Date()) {
  return { ...rest, ...momentsOf(received, now) };
}
