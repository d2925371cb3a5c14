// When an order is to be done, as TQ1 and as TQ of old (ORC-7, OBR-27): what mapping/clinical/timing.ts reads, the other way round;
// HL7 v2.9 chapters 4.5.4 and 2A.3.61, repeat patterns: HL7 table 0335
import { isNumber, type Json, type JsonObject, type Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { ComponentValue, FieldValue, RepetitionValue, SegmentValue } from '../../message/build.ts';
import { type Building, isObject, objects, takes, text } from '../building.ts';
import { priorityCodes } from '../tables/order.ts';
import { cwe } from '../types/coded.ts';
import { digitsOf } from '../types/number.ts';
import { cq } from '../types/registry.ts';
import { dtm, tm } from '../types/time.ts';

/** One line of a schedule. */
interface Schedule {
  quantity: RepetitionValue | undefined;
  /** RPT-1. */
  pattern: string | undefined;
  /** TM: at these times of the day. */
  times: string[];
  /** CQ: so long before or after what the pattern names. */
  relative: RepetitionValue | undefined;
  /** CQ: for so long. */
  duration: RepetitionValue | undefined;
  start: string | undefined;
  end: string | undefined;
  /** Table 0485. */
  priority: string | undefined;
  condition: string | undefined;
  /** What no code says. */
  words: string | undefined;
  /** CQ: each takes so long. */
  occurrence: RepetitionValue | undefined;
  count: string | undefined;
}

const inner = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
const texts = (value: Json | undefined): string[] =>
  (Array.isArray(value) ? value : []).flatMap((item) => text(item) ?? []);
const numeral = (value: Json | undefined): string | undefined => (isNumber(value) ? digitsOf(value) : undefined);

/** Table 0485, TQ1-9. */
export const priorityOf = (request: Resource): string | undefined => ownValue(priorityCodes, text(request.priority));

const events = ({ occurrenceTiming }: Resource): string[] =>
  texts(inner(occurrenceTiming).event).flatMap((event) => dtm(event) ?? []);

/** The first moment that the order names. */
export function startOf(request: Resource): string | undefined {
  const { boundsPeriod } = inner(inner(request.occurrenceTiming).repeat);
  const start = request.occurrenceDateTime ?? inner(request.occurrencePeriod).start ?? inner(boundsPeriod).start;
  return dtm(start) ?? events(request)[0];
}

const letters: Readonly<Record<string, string>> = { s: 'S', min: 'M', h: 'H', d: 'D', wk: 'W', mo: 'L' };
/** The next smaller unit, and how many of it. */
const smaller: Readonly<Record<string, readonly [unit: string, count: number]>> = {
  wk: ['d', 7],
  d: ['h', 24],
  h: ['min', 60],
  min: ['s', 60],
};
const intervalMax = 999;

/** `Q6H`; an hour and a half is `Q90M`. */
function interval(period: number, unit: string): string | undefined {
  const letter = ownValue(letters, unit);
  if (letter === undefined || !(period > 0)) return undefined;
  if (Number.isInteger(period)) return period > intervalMax ? undefined : `Q${period}${letter}`;
  const [next, count] = ownValue(smaller, unit) ?? [];
  return next === undefined ? undefined : interval(period * count!, next);
}

const daily: Readonly<Record<number, string>> = { 2: 'BID', 3: 'TID', 4: 'QID' };
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const moments: Readonly<Record<string, string>> = { MORN: 'QAM', EVE: 'QPM', HS: 'QHS' };
const meals = new Set(['AC', 'ACD', 'ACM', 'ACV', 'C', 'CD', 'CM', 'CV', 'PC', 'PCD', 'PCM', 'PCV', 'WAKE']);

/** On these days of the week: `Q2J135`. */
function weekly(days: readonly string[], period: number, unit: string): string | undefined {
  const weeks = unit === 'wk' ? period : unit === 'd' && period === 1 ? 1 : Number.NaN;
  const numbers = days.map((day) => weekdays.indexOf(day) + 1).toSorted((a, b) => a - b);
  if (!Number.isInteger(weeks) || weeks < 1 || weeks > 99 || numbers.includes(0)) return undefined;
  return `Q${weeks === 1 ? '' : weeks}J${numbers.join('')}`;
}

/** Table 0335; undefined for what it has no code for. */
function patternOf(repeat: JsonObject): string | undefined {
  if (repeat.frequencyMax !== undefined || repeat.periodMax !== undefined) return undefined;
  const [frequency, period] = [Number(numeral(repeat.frequency) ?? 1), Number(numeral(repeat.period) ?? 1)];
  const [unit, days, when] = [text(repeat.periodUnit) ?? 'd', texts(repeat.dayOfWeek), texts(repeat.when)];
  const isDaily = unit === 'd' && period === 1;
  if (days.length > 0) {
    const fits = when.length === 0 && (frequency === 1 || frequency === days.length);
    return fits
      ? weekly(days, repeat.periodUnit === undefined ? 1 : period, repeat.periodUnit === undefined ? 'wk' : unit)
      : undefined;
  }
  if (when.length > 0) {
    const fits = when.length === 1 && isDaily && frequency === 1;
    return fits ? (ownValue(moments, when[0]) ?? (meals.has(when[0]!) ? when[0] : undefined)) : undefined;
  }
  if (repeat.periodUnit === undefined) return undefined;
  if (frequency === 1) return interval(period, unit);
  return isDaily && Number.isInteger(frequency) && frequency <= 99 ? (daily[frequency] ?? `${frequency}ID`) : undefined;
}

const span = (low: string | undefined, high: string | undefined): string =>
  high === undefined ? (low ?? '1') : `${low ?? '1'} to ${high}`;

/** `3 times every 8 h, on mon`: for a person, where no code says it. */
function wordsOf(repeat: JsonObject): string | undefined {
  const frequency = span(numeral(repeat.frequency), numeral(repeat.frequencyMax));
  const times = `${frequency} ${frequency === '1' ? 'time' : 'times'}`;
  const [unit, days, when] = [text(repeat.periodUnit), texts(repeat.dayOfWeek), texts(repeat.when)];
  const every = unit && `every ${span(numeral(repeat.period), numeral(repeat.periodMax))} ${unit}`;
  const isCounted = unit !== undefined || repeat.frequency !== undefined;
  const parts = [
    isCounted ? [times, every].filter((one) => one !== undefined).join(' ') : undefined,
    days.length > 0 ? `on ${days.join(', ')}` : undefined,
    when.length > 0 ? `when ${when.join(', ')}` : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(', ') || undefined;
}

/** A text that can stand where a pattern does. */
const patternForm = /^[A-Za-z0-9]{1,20}$/;

/** Timing.code goes before Timing.repeat, which only elaborates it: https://hl7.org/fhir/R4/datatypes.html#Timing */
function codeOf(timing: JsonObject): { code: string | undefined; words: string | undefined } {
  const concept = inner(timing.code);
  const [code, words] = [text(objects(concept.coding)[0]?.code), text(concept.text)];
  if (code !== undefined) return { code, words: words === code ? undefined : words };
  return words !== undefined && patternForm.test(words)
    ? { code: words, words: undefined }
    : { code: undefined, words };
}

function durationOf(value: Json | undefined, unit: Json | undefined): RepetitionValue | undefined {
  const [count, word] = [numeral(value), text(unit)];
  return count === undefined || word === undefined ? undefined : [count, [word]];
}

function scheduleOf(building: Building, request: Resource): Schedule {
  const timing = inner(request.occurrenceTiming);
  const repeat = inner(timing.repeat);
  const { code, words } = codeOf(timing);
  const own = code ?? patternOf(repeat);
  const bounds = inner(repeat.boundsDuration);
  const { low, high } = inner(repeat.boundsRange);
  const within = [low, high].map((end) => numeral(inner(end).value));
  const range =
    repeat.boundsRange === undefined
      ? undefined
      : `for ${span(within[0], within[1])} ${text(inner(high ?? low).code) ?? ''}`;
  const spoken = [words, own === undefined ? wordsOf(repeat) : undefined, range?.trim()];
  const isAsNeeded = request.asNeededBoolean === true || request.asNeededCodeableConcept !== undefined;
  const need = isObject(request.asNeededCodeableConcept) ? cwe(building, request.asNeededCodeableConcept) : undefined;
  const [needCode, needWords] = need ?? [];
  const period = [inner(request.occurrencePeriod).end, inner(repeat.boundsPeriod).end];
  return {
    quantity: cq(building, request.quantityQuantity),
    pattern: isAsNeeded && !/^PRN/i.test(own ?? '') ? `PRN${own ?? ''}` : own,
    times: texts(repeat.timeOfDay).flatMap((time) => tm(time) ?? []),
    relative: durationOf(repeat.offset, 'min'),
    duration: durationOf(bounds.value, bounds.code ?? bounds.unit),
    start: startOf(request),
    end: dtm(period[0] ?? period[1]),
    priority: priorityOf(request),
    condition: [needWords, needCode].find((one) => typeof one === 'string'),
    words: spoken.filter((one) => one !== undefined).join('; ') || undefined,
    occurrence: durationOf(repeat.duration, repeat.durationUnit),
    count: numeral(repeat.count),
  };
}

const isSomething = (fields: readonly FieldValue[]): boolean =>
  fields.some((field) => field !== undefined && field !== null);

/** TQ1, where the message has it: one, and one more for each further moment that the order names. */
export function timingSegments(building: Building, request: Resource): SegmentValue[] {
  if (!takes(building, 'TQ1')) return [];
  const one = scheduleOf(building, request);
  const fields: Record<number, FieldValue> = {
    ...{ 2: one.quantity, 3: one.pattern === undefined ? undefined : [[one.pattern]] },
    ...{ 4: one.times.length === 0 ? undefined : { repetitions: one.times }, 5: one.relative, 6: one.duration },
    ...{ 7: one.start, 8: one.end, 9: one.priority, 10: one.condition, 11: one.words },
    ...{ 13: one.occurrence, 14: one.count },
  };
  if (!isSomething(Object.values(fields))) return [];
  const further = events(request).filter((event) => event !== one.start);
  const starts = [one.start, ...further];
  // Table 0472: S, the next one after this one.
  return starts.map((start, index) => ({
    name: 'TQ1',
    fields: { ...fields, 1: String(index + 1), 7: start, 12: index < starts.length - 1 ? 'S' : undefined },
  }));
}

const flat = (value: RepetitionValue | undefined): ComponentValue => {
  if (!Array.isArray(value)) return value as ComponentValue;
  return (value as readonly ComponentValue[]).map((part) =>
    Array.isArray(part) ? (part[0] ?? null) : (part as string),
  );
};

/** TQ of old, whose components these are; each further moment is a repetition. */
export function timingOf(building: Building, request: Resource): FieldValue {
  const one = scheduleOf(building, request);
  const pattern: ComponentValue =
    one.times.length === 0 ? one.pattern : [one.pattern, one.times.map((time) => time.slice(0, 4)).join(',')];
  // TQ-3 is a letter and a number: 5 days are D5.
  const [length, unit] = (flat(one.duration) ?? []) as (string | undefined)[];
  const letter = ownValue(letters, unit);
  const parts: ComponentValue[] = [
    ...[flat(one.quantity), pattern, letter === undefined ? undefined : `${letter}${length}`],
    ...[one.start, one.end, one.priority, one.condition, one.words],
    ...[undefined, undefined, flat(one.occurrence), one.count],
  ];
  if (!isSomething(parts)) return undefined;
  const further = events(request).filter((event) => event !== one.start);
  if (further.length === 0) return parts;
  return { repetitions: [one.start, ...further].map((start) => parts.with(3, start)) };
}
