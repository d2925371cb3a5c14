// TQ1, and TQ of old (ORC-7, OBR-27, RXE-1), to Timing: https://hl7.org/fhir/uv/v2mappings/ (TQ1[ServiceRequest],
// TQ1[MedicationRequest], TQ[…], RPT[Timing], RI[Timing]); repeat patterns: HL7 table 0335
import type { JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import { emptyPart, type Part, type Segment, subcomponentsAsComponents } from '../../message/message.ts';
import { systems, v2Table } from '../codes/systems.ts';
import type { Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import { dateTime, time } from '../datetime.ts';
import { computable, decimal } from '../decimal.ts';
import { cqQuantity } from '../types/cq.ts';

/** One line of a schedule, of a TQ1 or of a repetition of a TQ. */
export interface Schedule {
  /** Quantity, with its unit. */
  quantity: JsonObject | undefined;
  timing: JsonObject | undefined;
  /** Table 0485. */
  priority: string | undefined;
  condition: string | undefined;
  text: string | undefined;
  /** The pattern is PRN: as needed. */
  asNeeded: boolean;
  start: string | undefined;
}

interface Parts {
  quantity: Part;
  /** RPT, or RI-1 with the pattern as its text. */
  pattern: Part;
  times: string[];
  /** CQ. */
  relative: Part;
  /** CQ, or the one word of TQ-3: `D5`, `W2`, `X3`, `INDEF`. */
  duration: Part;
  start: Part;
  end: Part;
  priority: Part;
  condition: string | undefined;
  text: string | undefined;
  occurrence: Part;
  total: string | undefined;
}

export function tq1Schedule(mapping: Mapping, tq1: Segment): Schedule {
  return schedule(mapping, {
    quantity: tq1.field(2),
    pattern: tq1.field(3).repetition(1),
    times: tq1
      .field(4)
      .repetitions()
      .flatMap((tm) => time(tm.text) ?? []),
    relative: tq1.field(5),
    duration: tq1.field(6),
    start: tq1.field(7),
    end: tq1.field(8),
    priority: tq1.field(9),
    condition: tq1.field(10).whole?.trim(),
    text: tq1.field(11).whole?.trim(),
    occurrence: tq1.field(13),
    total: tq1.field(14).text,
  });
}

/** One repetition of a TQ; undefined for an empty one. */
export function tqSchedule(mapping: Mapping, tq: Part): Schedule | undefined {
  if (tq.isEmpty) return undefined;
  const interval = tq.component(2);
  return schedule(mapping, {
    quantity: subcomponentsAsComponents(tq.component(1)),
    pattern: subcomponentsAsComponents(interval),
    times: (interval.subcomponent(2).text ?? '').split(',').flatMap((tm) => time(tm.trim().replace(':', '')) ?? []),
    relative: emptyPart,
    duration: tq.component(3),
    start: tq.component(4),
    end: tq.component(5),
    priority: tq.component(6),
    condition: tq.component(7).text,
    text: tq.component(8).text,
    occurrence: subcomponentsAsComponents(tq.component(11)),
    total: tq.component(12).text,
  });
}

function schedule(mapping: Mapping, parts: Parts): Schedule {
  const pattern = parts.pattern.component(1).text;
  const start = dateTime(parts.start.text, mapping.zone);
  const repeat = repeatOf(mapping, parts, pattern, start);
  const code = patternCode(mapping, parts.pattern);
  const timing = Object.keys(repeat).length === 0 && code === undefined ? undefined : { repeat, code };
  return {
    quantity: cqQuantity(mapping, parts.quantity),
    timing,
    priority: parts.priority.component(1).text?.toUpperCase(),
    condition: parts.condition,
    text: parts.text,
    asNeeded: asNeededForm.test(pattern ?? ''),
    start,
  };
}

type Pattern = JsonObject & { frequency?: number; period?: number; periodUnit?: string; when?: string[] };

const named: Readonly<Record<string, Pattern>> = {
  ONCE: { count: 1 },
  QD: { frequency: 1, period: 1, periodUnit: 'd' },
  DAILY: { frequency: 1, period: 1, periodUnit: 'd' },
  BID: { frequency: 2, period: 1, periodUnit: 'd' },
  TID: { frequency: 3, period: 1, periodUnit: 'd' },
  QID: { frequency: 4, period: 1, periodUnit: 'd' },
  QOD: { frequency: 1, period: 2, periodUnit: 'd' },
  QAM: { frequency: 1, period: 1, periodUnit: 'd', when: ['MORN'] },
  QPM: { frequency: 1, period: 1, periodUnit: 'd', when: ['EVE'] },
  QHS: { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] },
  QSHIFT: { frequency: 1, period: 8, periodUnit: 'h' },
};
const units: Readonly<Record<string, string>> = { S: 's', M: 'min', H: 'h', D: 'd', W: 'wk', L: 'mo' };
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const events = new Set(['AC', 'ACD', 'ACM', 'ACV', 'C', 'CD', 'CM', 'CV', 'HS', 'PC', 'PCD', 'PCM', 'PCV', 'WAKE']);

/** Table 0335 has `PRNQ6H`; many send `Q6H PRN`. */
const asNeededForm = /^PRN\s*|\s*PRN$/i;

/** Table 0335: `BID`, `5ID`, `Q6H`, `Q2J1` (weekday 1), `PRN`, `PRNQ4H`, `ONCE`, meal times. Undefined for what says nothing to a clock. */
function patternRepeat(code: string): Pattern | undefined {
  const pattern = code.toUpperCase().replace(asNeededForm, '');
  const known = named[pattern];
  if (known !== undefined) return known;
  const every = /^Q(\d{1,3})([SMHDWL])$/.exec(pattern);
  if (every !== null && Number(every[1]) > 0) {
    return { frequency: 1, period: Number(every[1]), periodUnit: units[every[2]!]! };
  }
  const weekday = /^Q(\d{0,2})J([1-7]+)$/.exec(pattern);
  if (weekday !== null) {
    const dayOfWeek = [...new Set(weekday[2])].map((day) => weekdays[Number(day) - 1]!);
    return { frequency: dayOfWeek.length, period: Number(weekday[1] || 1), periodUnit: 'wk', dayOfWeek };
  }
  const times = /^(\d{1,2})[XI]D$|^X(\d{1,2})D?$/.exec(pattern);
  if (times !== null) return { frequency: Number(times[1] ?? times[2]), period: 1, periodUnit: 'd' };
  return events.has(pattern) ? { when: [pattern] } : undefined;
}

function repeatOf(mapping: Mapping, parts: Parts, pattern: string | undefined, start: string | undefined): JsonObject {
  const repeat: JsonObject = {};
  const end = dateTime(parts.end.text, mapping.zone);
  const known = (pattern === undefined ? undefined : patternRepeat(pattern)) ?? phaseRepeat(parts.pattern);
  Object.assign(repeat, known, weekPart(parts.pattern));
  // tim-10: either times or events. The pattern's own event stands in Timing.code as well, times stand nowhere else.
  const hasTimes = parts.times.length > 0;
  if (hasTimes) delete repeat.when;
  const event = parts.pattern.component(8).text?.toUpperCase() ?? '';
  if (hasTimes && events.has(event)) mapping.warnings.add('TQ1-3.8: an event beside times of the day has no place');
  else if (repeat.when === undefined && events.has(event)) repeat.when = [event];
  const bounds = boundsOf(parts.duration);
  if (start !== undefined || end !== undefined) repeat.boundsPeriod = { start, end: end ?? endAfter(start, bounds) };
  else if (bounds !== undefined) repeat.boundsDuration = bounds;
  const count = /^X(\d{1,4})$/i.exec(parts.duration.text ?? '')?.[1] ?? parts.total;
  if (count !== undefined && /^[1-9]\d{0,8}$/.test(count)) repeat.count = Number(count);
  if (hasTimes) repeat.timeOfDay = parts.times;
  const occurrence = durationOf(parts.occurrence);
  if (occurrence !== undefined) Object.assign(repeat, { duration: occurrence.value, durationUnit: occurrence.code });
  const minutes = offsetMinutes(parts.relative) ?? eventOffset(parts.pattern);
  // tim-9: an offset needs an event other than these meals.
  const whens = (repeat.when ?? []) as string[];
  if (minutes !== undefined && whens.some((when) => !/^C/.test(when))) repeat.offset = minutes;
  return repeat;
}

/** RPT-5 and 6, period quantity and units: every so many. */
function phaseRepeat(rpt: Part): Pattern | undefined {
  const period = decimal(rpt.component(5).text ?? '');
  const unit = timeUnit(rpt.component(6).text);
  return period === undefined || unit === undefined ? undefined : { frequency: 1, period, periodUnit: unit };
}

/** RPT-2 to 4: from this day of the week to that, 1 being Monday. */
function weekPart(rpt: Part): JsonObject {
  if (rpt.component(2).text?.toUpperCase() !== 'DW') return {};
  const [first, last] = [3, 4].map((number) => Number(rpt.component(number).text ?? Number.NaN));
  const dayOfWeek = weekdays.filter((_, index) =>
    Number.isNaN(last) ? index + 1 === first : index + 1 >= first! && index + 1 <= last!,
  );
  return dayOfWeek.length === 0 ? {} : { dayOfWeek };
}

/** RPT-9 and 10: so long before or after the event. */
function eventOffset(rpt: Part): number | undefined {
  const unit = timeUnit(rpt.component(10).subcomponent(1).text);
  const minutes = Math.round(
    Math.abs(Number(rpt.component(9).text ?? Number.NaN)) * (minutesOf[unit ?? ''] ?? Number.NaN),
  );
  return minutes > 0 ? minutes : undefined;
}

const timeUnits: Readonly<Record<string, string>> = {
  s: 's',
  sec: 's',
  second: 's',
  seconds: 's',
  min: 'min',
  minute: 'min',
  minutes: 'min',
  h: 'h',
  hr: 'h',
  hour: 'h',
  hours: 'h',
  d: 'd',
  day: 'd',
  days: 'd',
  w: 'wk',
  wk: 'wk',
  week: 'wk',
  weeks: 'wk',
  l: 'mo',
  mo: 'mo',
  month: 'mo',
  months: 'mo',
  a: 'a',
  yr: 'a',
  year: 'a',
  years: 'a',
};

function timeUnit(word: string | undefined): string | undefined {
  return ownValue(timeUnits, word?.toLowerCase());
}

/** A CQ that is a time: `2^hr`. */
function durationOf(cq: Part): { value: number; code: string } | undefined {
  const value = decimal(cq.component(1).text ?? '');
  const unit = cq.component(2);
  const code = timeUnit(unit.subcomponent(1).text) ?? timeUnit(unit.subcomponent(2).text);
  return value === undefined || code === undefined ? undefined : { value, code };
}

/** CQ, or the word of TQ-3: `S`, `M`, `H`, `D`, `W` or `L` with a number. */
function boundsOf(duration: Part): JsonObject | undefined {
  const word = /^([SMHDWL])(\d{1,4})$/i.exec(duration.text ?? '');
  const found = word === null ? durationOf(duration) : { value: Number(word[2]), code: units[word[1]!.toUpperCase()]! };
  return found && { value: found.value, unit: found.code, system: systems.ucum, code: found.code };
}

/**
 * R4 has either a period or a duration: with a start the duration says the end. The last day of a period of days is within it:
 * five days from the 1st end on the 5th.
 */
function endAfter(start: string | undefined, bounds: JsonObject | undefined): string | undefined {
  const parts = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2}(?:\.\d+)?)(Z|[+-]\d{2}:\d{2}))?$/.exec(start ?? '');
  const [count, unit] = [computable(bounds?.value), String(bounds?.code)];
  if (parts === null || bounds === undefined || !(count > 0)) return undefined;
  const [, day, time, offset] = parts;
  const from = new Date(`${day}T${time ?? '00:00:00'}Z`);
  const end = later(from, count, unit);
  // No dateTime has a year of five digits, and no Date one of six of them and more.
  if (end === undefined || !(end.getTime() < lastMs)) return undefined;
  if (time !== undefined) return `${end.toISOString().slice(0, time.length + 11)}${offset}`;
  const isOfDays = end.getTime() % dayMs === 0;
  return isOfDays ? new Date(end.getTime() - dayMs).toISOString().slice(0, 10) : undefined;
}

const dayMs = 86_400_000;
const lastMs = Date.UTC(10_000, 0);

function later(from: Date, count: number, unit: string): Date | undefined {
  const minutes = minutesOf[unit];
  if (minutes !== undefined) return new Date(from.getTime() + count * minutes * 60_000);
  const months = unit === 'mo' ? count : unit === 'a' ? count * 12 : Number.NaN;
  if (!Number.isInteger(months)) return undefined;
  const end = new Date(from);
  end.setUTCMonth(end.getUTCMonth() + months);
  // A month after the 31st is the last day of a shorter one.
  if (end.getUTCDate() !== from.getUTCDate()) end.setUTCDate(0);
  return end;
}

const minutesOf: Readonly<Record<string, number>> = { s: 1 / 60, min: 1, h: 60, d: 1440, wk: 10_080 };

function offsetMinutes(cq: Part): number | undefined {
  const found = durationOf(cq);
  const minutes = found && Math.round(computable(found.value) * (minutesOf[found.code] ?? Number.NaN));
  return minutes !== undefined && minutes > 0 ? minutes : undefined;
}

/** The pattern as it was sent, in the system of its table where it is one of it. */
function patternCode(mapping: Mapping, rpt: Part): JsonObject | undefined {
  const code = rpt.component(1).text;
  if (code === undefined) return undefined;
  if (rpt.component(1).subcomponent(3).text !== undefined) {
    return codeableConcept(mapping, subcomponentsAsComponents(rpt.component(1)));
  }
  const known = patternRepeat(code) !== undefined || /^(?:PRN|C|STAT)$/i.test(code);
  const text = rpt.component(1).subcomponent(2).text ?? rpt.component(11).text;
  return known ? { coding: [{ system: v2Table('0335'), code }], text } : { text: text ?? code };
}
