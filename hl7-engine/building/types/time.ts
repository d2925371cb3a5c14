// dateTime, date, instant and time to DTM, DT and TM: HL7 v2.9 chapter 2A.3.22, with the precision and offset that they have
const form = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/** A DTM has four digits of a second's fraction. */
const fractionDigitsMax = 4;

export function dtm(value: unknown): string | undefined {
  const match = typeof value === 'string' ? form.exec(value) : null;
  if (match === null) return undefined;
  const [, year, month = '', day = '', hour, minute = '', second = '', fraction, offset] = match;
  if (hour === undefined) return `${year}${month}${day}`;
  const fine = fraction === undefined ? '' : `.${fraction.slice(0, fractionDigitsMax)}`;
  const zone = offset === undefined ? '' : offset === 'Z' ? '+0000' : offset.replace(':', '');
  return `${year}${month}${day}${hour}${minute}${second}${fine}${zone}`;
}

/** Milliseconds since 1970 UTC, to the second. */
export const dtmOf = (ms: number): string => dtm(new Date(ms).toISOString().replace(/\.\d+/, ''))!;

/** Without the time of day. */
export function dt(value: unknown): string | undefined {
  return dtm(value)?.slice(0, 8);
}

export function tm(value: unknown): string | undefined {
  const match = typeof value === 'string' ? /^(\d\d):(\d\d):(\d\d)(?:\.(\d+))?$/.exec(value) : null;
  if (match === null) return undefined;
  const [, hour, minute, second, fraction] = match;
  return `${hour}${minute}${second}${fraction === undefined ? '' : `.${fraction.slice(0, fractionDigitsMax)}`}`;
}
