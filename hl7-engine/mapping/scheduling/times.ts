// When an appointment is, and how long: TQ1-7/8, else AIS-4/7 and the resources' times, else SCH-11 with SCH-9/10.
// HL7 v2.9 chapter 10.6.4; https://hl7.org/fhir/R4/appointment.html (app-2, app-3)
import { emptyPart, type Part, type Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { instant } from '../datetime.ts';

export interface AppointmentTimes {
  start: string | undefined;
  end: string | undefined;
  minutes: number | undefined;
}

const minutesOf: Readonly<Record<string, number>> = {
  S: 1 / 60,
  SEC: 1 / 60,
  SECOND: 1 / 60,
  M: 1,
  MIN: 1,
  MINS: 1,
  MINUTE: 1,
  H: 60,
  HR: 60,
  HRS: 60,
  HOUR: 60,
  D: 1440,
  DAY: 1440,
};

/** A year: longer is a fault of its unit. */
const minutesMax = 525_600;

/** A number with its unit; minutes where it has none. Undefined for what is no time above 0. */
export function minutes(amount: Part, unit: Part): number | undefined {
  const value = Number(amount.text ?? 'none');
  const name = (unit.component(1).text ?? unit.component(2).text ?? 'MIN').toUpperCase();
  const factor = minutesOf[name] ?? minutesOf[name.replace(/S$/, '')];
  if (!Number.isFinite(value) || factor === undefined) return undefined;
  const found = value * factor;
  return found > 0 && found <= minutesMax ? found : undefined;
}

/** Where the resources' segments have start, offset, duration. */
const startField: Readonly<Record<string, number>> = { AIS: 4, AIG: 8, AIL: 6, AIP: 6 };

/** `2026-01-31T08:00:00+01:00` and so many minutes, with the same offset. */
export function later(start: string, added: number): string {
  const [, wall = '', offset = 'Z'] = /^(.*?)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(start) ?? [];
  const moved = new Date(Date.parse(`${wall}Z`) + Math.round(added * 60_000));
  return `${moved.toISOString().slice(0, 19)}${offset}`;
}

/** Start and end of one resource; its offset (AIP-7) counts from the appointment's start. */
export function resourceTimes(
  mapping: Mapping,
  segment: Segment,
  appointmentStart: string | undefined,
): { start: string | undefined; end: string | undefined } {
  const at = startField[segment.name]!;
  const own = instant(segment.field(at).text, mapping.zone);
  const offset = minutes(segment.field(at + 1), segment.field(at + 2)) ?? 0;
  const start = own ?? (appointmentStart === undefined ? undefined : later(appointmentStart, offset));
  const length = minutes(segment.field(at + 3), segment.field(at + 4));
  return { start, end: start === undefined || length === undefined ? undefined : later(start, length) };
}

export function appointmentTimes(
  mapping: Mapping,
  sch: Segment,
  tq1: Segment | undefined,
  resources: readonly Segment[],
): AppointmentTimes {
  const read = (part: Part): string | undefined => instant(part.text, mapping.zone);
  const tq = sch.field(11).repetition(1);
  const timed = resources.find((segment) => read(segment.field(startField[segment.name]!)) !== undefined);
  const own = timed === undefined ? undefined : resourceTimes(mapping, timed, undefined);
  const start = read(tq1?.field(7) ?? emptyPart) ?? own?.start ?? read(tq.component(4));
  if (start === undefined) return { start, end: undefined, minutes: minutes(sch.field(9), sch.field(10)) };
  const length = minutes(sch.field(9), sch.field(10)) ?? tqMinutes(tq.component(3).text);
  const ends = [
    read(tq1?.field(8) ?? emptyPart),
    start === own?.start ? own?.end : undefined,
    length === undefined ? undefined : later(start, length),
    read(tq.component(5)),
  ];
  const end = ends.find((text) => text !== undefined && Date.parse(text) > Date.parse(start));
  return { start, end, minutes: end === undefined ? length : (Date.parse(end) - Date.parse(start)) / 60_000 };
}

/** TQ-3: `M30`, `H1`, `S90`, `D1`. */
function tqMinutes(text: string | undefined): number | undefined {
  const [, unit = '', count] = /^([SMHD])(\d{1,6})$/.exec(text ?? '') ?? [];
  return count === undefined || Number(count) === 0 ? undefined : Number(count) * minutesOf[unit]!;
}
