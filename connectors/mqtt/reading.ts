// Checks one reading of a message (docs/devices.md) and brings its values to UCUM units.
import { decimalText, isNumber, type RawJson } from '#fhir-model';
import { type Fault, quote } from './fault.ts';
import { convert, isUcum, unitCharactersMax, unitCodeOf } from './units.ts';
import { type Coding, metricsByName, type PanelMetric, type ScalarMetric } from './vital-signs.ts';

/** A JSON number; RawJson where a JavaScript number would lose digits. */
export type Decimal = number | RawJson;

/** Quantity: https://hl7.org/fhir/R4/datatypes.html#Quantity */
export interface Quantity {
  value: Decimal;
  unit: string;
  system: 'http://unitsofmeasure.org';
  code: string;
}

export interface Reading {
  /** The metric's name or `system|code`: part of the Observation's id. */
  metricKey: string;
  codings: Coding[];
  category?: 'vital-signs' | 'laboratory';
  /** As sent: a FHIR dateTime with seconds and offset. */
  time: string;
  /** The same instant always gives the same text, whatever the offset. */
  timeKey: string;
  sequence?: string;
  quantity?: Quantity;
  components?: { coding: Coding; quantity: Quantity }[];
  /** What the device reported, where it was converted. */
  note?: string;
}

interface Measured {
  metric: ScalarMetric;
  quantity: Quantity;
  /** As sent, when it was converted. */
  original?: string;
}

interface Target {
  key: string;
  codings: Coding[];
  metric?: ScalarMetric | PanelMetric;
}

// Device clocks drift: five minutes ahead is a clock, more is a fault. None of these devices existed before 2000.
const futureMsMax = 5 * 60_000;
const earliestMs = Date.UTC(2000, 0, 1);
const valueCharactersMax = 40;
const sequenceCharactersMax = 64;

export function isFault(value: object): value is Fault {
  return 'reason' in value;
}

/** The reading, or the first thing wrong with it. `nowMs` is when it was received. */
export function checkReading(raw: unknown, nowMs: number): Reading | Fault {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw) || isNumber(raw)) {
    return { reason: 'invalid-reading', diagnostics: `A reading is an object, not ${quote(raw)}` };
  }
  const fields = raw as Record<string, unknown>;
  const target = targetOf(fields);
  if (isFault(target)) return target;
  const time = checkTime(fields.time, nowMs);
  if (isFault(time)) return time;
  const sequence = checkSequence(fields.sequence);
  if (typeof sequence === 'object') return sequence;
  const measured = measure(target, fields);
  if (isFault(measured)) return measured;
  return {
    metricKey: target.key,
    ...time,
    ...(sequence === undefined ? {} : { sequence }),
    ...measured,
  };
}

/** Which metric the reading is of: the named one, or the coded one. */
function targetOf(fields: Record<string, unknown>): Target | Fault {
  const coding = fields.code === undefined ? undefined : checkCoding(fields.code);
  if (coding !== undefined && isFault(coding)) return coding;
  const name = fields.metric;
  if (typeof name === 'string' && metricsByName.has(name)) {
    const metric = metricsByName.get(name)!;
    return { key: name, codings: coding === undefined ? [] : [coding], metric };
  }
  if (name !== undefined && typeof name !== 'string') {
    return { reason: 'invalid-reading', diagnostics: `metric is a string, not ${quote(name)}` };
  }
  if (coding === undefined) {
    return { reason: 'unknown-metric', diagnostics: `metric ${quote(name)} is not known and there is no code` };
  }
  return { key: `${coding.system}|${coding.code}`, codings: [coding] };
}

// https://hl7.org/fhir/R4/datatypes.html#uri and #code, without control characters and halves of surrogate pairs
const uriPattern = /^[^\s\p{Cc}\p{Cs}]{1,256}$/u;
const codePattern = /^[^\s\p{Cc}\p{Cs}]+(?: [^\s\p{Cc}\p{Cs}]+)*$/u;
const displayPattern = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

function checkCoding(raw: unknown): Coding | Fault {
  const { system, code, display } = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
  const valid =
    typeof system === 'string' &&
    uriPattern.test(system) &&
    typeof code === 'string' &&
    code.length <= 64 &&
    codePattern.test(code) &&
    (display === undefined || (typeof display === 'string' && displayPattern.test(display)));
  if (!valid) return { reason: 'invalid-reading', diagnostics: `code is {system, code, display?}, not ${quote(raw)}` };
  return display === undefined ? { system, code } : { system, code, display };
}

const instantPattern =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/;

/** https://hl7.org/fhir/R4/datatypes.html#instant */
function checkTime(raw: unknown, nowMs: number): { time: string; timeKey: string } | Fault {
  const match = typeof raw === 'string' ? instantPattern.exec(raw) : null;
  if (!match || !isCalendarDay(Number(match[1]), Number(match[2]), Number(match[3]))) {
    return {
      reason: 'invalid-time',
      diagnostics: `time is an instant with offset like "2026-01-31T08:30:00Z", not ${quote(raw)}`,
    };
  }
  const time = match[0];
  const ms = Date.parse(time);
  if (ms > nowMs + futureMsMax || ms < earliestMs) {
    return { reason: 'invalid-time', diagnostics: `time ${quote(time)} lies in the future or before the year 2000` };
  }
  const belowMs = (match[7] ?? '').slice(3).replace(/0+$/, '');
  return { time, timeKey: belowMs === '' ? String(ms) : `${ms}.${belowMs}` };
}

/** Date.parse takes February 30 for March 2. */
function isCalendarDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function checkSequence(raw: unknown): string | undefined | Fault {
  if (raw === undefined) return undefined;
  if (typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= 0) return String(raw);
  if (typeof raw === 'string' && raw.length > 0 && raw.length <= sequenceCharactersMax) return raw;
  return { reason: 'invalid-reading', diagnostics: `sequence is a whole number or a short string, not ${quote(raw)}` };
}

type MeasuredReading = Pick<Reading, 'codings' | 'category' | 'quantity' | 'components' | 'note'>;

function measure({ metric, codings }: Target, fields: Record<string, unknown>): MeasuredReading | Fault {
  if (metric === undefined) {
    const quantity = codedQuantity(fields.value, fields.unit);
    return isFault(quantity) ? quantity : { codings, quantity };
  }
  if (metric.kind === 'panel') return measurePanel(metric, codings, fields);
  const measured = measureScalar(metric, fields.value, fields.unit);
  if (isFault(measured)) return measured;
  return {
    codings: [...measured.metric.codings, ...codings],
    category: measured.metric.category,
    quantity: measured.quantity,
    ...noteOf([measured]),
  };
}

function measurePanel(
  metric: PanelMetric,
  codings: Coding[],
  { value, unit }: Record<string, unknown>,
): MeasuredReading | Fault {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isNumber(value)) {
    return {
      reason: 'invalid-value',
      diagnostics: `value is an object with ${metric.required.join(' and ')}, not ${quote(value)}`,
    };
  }
  const unknown = Object.keys(value).find((name) => !metric.components.has(name));
  const missing = metric.required.find((name) => !Object.hasOwn(value, name));
  if (unknown !== undefined || missing !== undefined) {
    return {
      reason: 'invalid-value',
      diagnostics: unknown === undefined ? `value.${missing} is missing` : `value.${quote(unknown)} is not known`,
    };
  }
  const measured: Measured[] = [];
  for (const [name, component] of metric.components) {
    if (!Object.hasOwn(value, name)) continue;
    const one = measureScalar(component, (value as Record<string, unknown>)[name], unit);
    if (isFault(one)) return one;
    measured.push(one);
  }
  return {
    codings: [...metric.codings, ...codings],
    category: metric.category,
    components: measured.map((one) => ({ coding: one.metric.codings[0]!, quantity: one.quantity })),
    ...noteOf(measured),
  };
}

function noteOf(measured: Measured[]): { note?: string } {
  const originals = measured.flatMap(({ original }) => original ?? []);
  return originals.length === 0 ? {} : { note: `Reported by the device as ${originals.join(', ')}` };
}

function measureScalar(metric: ScalarMetric, value: unknown, unit: unknown): Measured | Fault {
  const fault = faultOfValue(value) ?? faultOfUnit(unit);
  if (fault) return fault;
  const text = decimalText(value as Decimal);
  for (let candidate: ScalarMetric | undefined = metric; candidate; candidate = candidate.otherwise) {
    const code = unitCodeOf(unit as string, candidate.unit);
    if (code === candidate.unit) {
      const quantity = quantityOf(value as Decimal, (unit as string).trim(), code);
      return faultOfRange(candidate, Number(text)) ?? { metric: candidate, quantity };
    }
    const converted = convert(code, Number(text), candidate.unit, significantDigits(text));
    if (converted !== undefined) {
      // The unit's text stands beside the converted value, so it has to be that value's unit, not the device's.
      const quantity = quantityOf(converted, candidate.unit, candidate.unit);
      const original = `${text} ${unit as string}`;
      return faultOfRange(candidate, converted) ?? { metric: candidate, quantity, original };
    }
  }
  return {
    reason: 'invalid-unit',
    diagnostics: `unit ${quote(unit)} is not a unit of this metric, which is stored in ${metric.unit}`,
  };
}

/** A reading known by its code only: there is no canonical unit, so its own is kept. */
function codedQuantity(value: unknown, unit: unknown): Quantity | Fault {
  const fault = faultOfValue(value) ?? faultOfUnit(unit);
  if (fault) return fault;
  const code = unitCodeOf(unit as string);
  if (!isUcum(code)) return { reason: 'invalid-unit', diagnostics: `unit ${quote(unit)} is not UCUM` };
  return quantityOf(value as Decimal, (unit as string).trim(), code);
}

function quantityOf(value: Decimal, unit: string, code: string): Quantity {
  return { value, unit, system: 'http://unitsofmeasure.org', code };
}

function faultOfValue(value: unknown): Fault | undefined {
  if (isNumber(value)) {
    const text = decimalText(value);
    if (text.length <= valueCharactersMax && Number.isFinite(Number(text))) return undefined;
  }
  return { reason: 'invalid-value', diagnostics: `value is a JSON number, not ${quote(value)}` };
}

function faultOfUnit(unit: unknown): Fault | undefined {
  const valid = typeof unit === 'string' && unit.trim() !== '' && unit.length <= unitCharactersMax;
  return valid ? undefined : { reason: 'invalid-unit', diagnostics: `unit is a string, not ${quote(unit)}` };
}

function faultOfRange({ plausible: [min, max], unit }: ScalarMetric, value: number): Fault | undefined {
  if (value >= min && value <= max) return undefined;
  return { reason: 'implausible-value', diagnostics: `value is ${value} ${unit}, plausible is ${min} to ${max}` };
}

function significantDigits(text: string): number {
  return text
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '').length;
}
