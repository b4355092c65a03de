// Values of headers as people read them. What reads well as it is written stays so: null. Nothing here touches the page.

import { personName } from './person-name.js';

/**
 * The first value of an element by its representation (PS3.5 6.2): {kind, …} to be worded, or null.
 * `day`: {day: '2026-01-31'}; `time`: {time: '10:15:30'}; `moment`: {day, time}; `age`: {value, unit}; `name`: {name}.
 */
export function readable(vr, text) {
  if (vr === 'PN') {
    const name = personName(text);
    return name && name !== text ? { kind: 'name', name } : null;
  }
  if (vr === 'DA') return dayOf(text) && { kind: 'day', day: dayOf(text) };
  if (vr === 'TM') return timeOf(text) && { kind: 'time', time: timeOf(text) };
  if (vr === 'DT') {
    const [day, time] = [dayOf(text.slice(0, 8)), timeOf(text.slice(8).replace(/[+-]\d{4}$/, ''))];
    if (day === null) return null;
    return time === null ? { kind: 'day', day } : { kind: 'moment', day, time };
  }
  if (vr === 'AS') {
    const age = /^(\d{3})([DWMY])$/.exec(text);
    return age && { kind: 'age', value: Number(age[1]), unit: { D: 'day', W: 'week', M: 'month', Y: 'year' }[age[2]] };
  }
  return null;
}

function dayOf(text) {
  const parts = /^(\d{4})\.?(\d\d)\.?(\d\d)$/.exec(text);
  if (!parts) return null;
  const [, year, month, day] = parts;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day) ? `${year}-${month}-${day}` : null;
}

function timeOf(text) {
  const parts = /^(\d\d):?(\d\d)(?::?(\d\d)(?:\.\d{1,6})?)?$/.exec(text);
  if (!parts) return null;
  const [, hours, minutes, seconds] = parts;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds ?? 0) > 60) return null;
  return [hours, minutes, seconds].filter(Boolean).join(':');
}
