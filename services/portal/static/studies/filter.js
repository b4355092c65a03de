// What a list of studies is filtered and sorted by: from the address and back, and to the server.

import { filterLanguage } from '../app/filter.js';
import { daysOf, momentsOf } from '../app/spans.js';

export const STATES = ['processed', 'received', 'failed'];

const { filterOf, sortOf, queryOf, typed } = filterLanguage({
  names: ['q', 'patient', 'state', 'modality', 'date', 'received', 'device', 'owner', 'shared'],
  states: STATES,
  sorts: ['-received', 'received', '-study_date', 'study_date', '-patient', 'patient'],
  words: {
    mod: 'modality',
    modalidad: 'modality',
    modality: 'modality',
    estado: 'state',
    state: 'state',
    paciente: 'patient',
    patient: 'patient',
    equipo: 'device',
    device: 'device',
  },
});

export { filterOf, sortOf, queryOf, typed };

/** Query parameters of GET /api/studies: days of the reader's clock, the last one included. */
export function parametersOf({ date = '', received = '', ...rest }, now = new Date()) {
  const days = daysOf(date, now);
  const { from, to } = momentsOf(received, now);
  return { ...rest, study_from: days?.from, study_to: days?.to, received: from || to ? `${from}..${to}` : '' };
}
