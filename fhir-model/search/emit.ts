// What each datatype contributes to a search parameter: the tables in https://hl7.org/fhir/R4/search.html#ptypes
// Values that no valid resource holds are passed over: a search index must never be the reason that a write fails.
import { parseReference } from '../references.ts';
import { parseDateRange } from './dates.ts';
import { compareDecimals, decimalOf, scaledSample } from './decimals.ts';
import { identifierParam } from './derived.ts';
import type { IndexValue, SearchParam } from './types.ts';
import { xhtmlText } from './words.ts';

/** Appends what `value` (one element, never an array) contributes. */
export type Emit = (value: unknown, out: IndexValue[]) => void;

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

/** https://hl7.org/fhir/R4/valueset-contact-point-system.html: what tells a ContactPoint from an Identifier. */
const CONTACT_POINT_SYSTEMS = new Set<unknown>(['phone', 'fax', 'email', 'pager', 'url', 'sms', 'other']);

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** One coding, identifier or code; `display` is what `:text` searches. */
function pushToken(param: SearchParam, system: unknown, code: unknown, out: IndexValue[], display?: unknown): void {
  const value: IndexValue & { kind: 'token' } = { kind: 'token', param };
  if (isText(system)) value.system = system;
  if (isText(code)) value.code = code;
  if (value.system !== undefined || value.code !== undefined) {
    if (isText(display)) value.display = display;
    out.push(value);
  } else if (isText(display)) out.push({ kind: 'text', param, value: display });
}

function pushConcept(param: SearchParam, { coding, text }: Fields, out: IndexValue[]): void {
  let isSaid = !isText(text);
  for (const each of Array.isArray(coding) ? coding : []) {
    if (!isObject(each)) continue;
    pushToken(param, each.system, each.code, out, each.display);
    isSaid ||= each.display === text;
  }
  if (!isSaid) out.push({ kind: 'text', param, value: text as string });
}

/** `:of-type` finds an Identifier by a coding of its type, `:text` by the text of its type. */
function pushIdentifierType(param: SearchParam, { type, value }: Fields, out: IndexValue[]): void {
  if (!isObject(type)) return;
  if (isText(type.text)) out.push({ kind: 'text', param, value: type.text });
  if (!isText(value) || !Array.isArray(type.coding)) return;
  for (const coding of type.coding) {
    if (!isObject(coding) || !isText(coding.code)) continue;
    const system = isText(coding.system) ? { system: coding.system } : {};
    out.push({ kind: 'typed', param, ...system, code: coding.code, value });
  }
}

function pushTokenObject(param: SearchParam, value: Fields, out: IndexValue[]): void {
  const before = out.length;
  if (Array.isArray(value.coding) || value.text !== undefined) pushConcept(param, value, out);
  else if (value.code !== undefined) pushToken(param, value.system, value.code, out, value.display);
  else if (CONTACT_POINT_SYSTEMS.has(value.system)) pushToken(param, undefined, value.value, out);
  else {
    pushToken(param, value.system, value.value, out, value.display);
    pushIdentifierType(param, value, out);
  }
  for (let i = before; i < out.length; i++) if (out[i]?.kind === 'token') return;
  out.push({ kind: 'present', param });
}

function tokenEmit(param: SearchParam): Emit {
  return (value, out) => {
    if (typeof value === 'string') pushToken(param, param.codeSystem, value, out);
    else if (typeof value === 'boolean') out.push({ kind: 'token', param, code: value ? 'true' : 'false' });
    else if (isObject(value)) pushTokenObject(param, value, out);
  };
}

/** A versioned canonical is also found by its URL alone, as the specification asks. Contained resources are not found. */
function pushReference(param: SearchParam, text: string, baseUrl: string | undefined, out: IndexValue[]): void {
  const found = parseReference(text, baseUrl);
  switch (found.kind) {
    case 'local':
      out.push({
        ...{ kind: 'reference', param, type: found.type, id: found.id },
        ...(found.version !== undefined && { version: found.version }),
      });
      return;
    case 'fragment':
    case 'conditional':
      return;
    case 'canonical':
      pushReference(param, found.url, baseUrl, out);
      out.push({ kind: 'reference', param, url: text });
      return;
    default:
      if (text !== '') out.push({ kind: 'reference', param, url: text });
  }
}

function pushReferenceObject(param: SearchParam, value: Fields, baseUrl: string | undefined, out: IndexValue[]): void {
  const before = out.length;
  if (typeof value.reference === 'string') pushReference(param, value.reference, baseUrl, out);
  else if (typeof value.resourceType === 'string' && typeof value.id === 'string') {
    out.push({ kind: 'reference', param, type: value.resourceType, id: value.id });
  }
  if (out.length === before) out.push({ kind: 'present', param });
  if (isText(value.display)) out.push({ kind: 'text', param, value: value.display });
  if (isObject(value.identifier)) pushTokenObject(identifierParam(param), value.identifier, out);
}

/** Canonical URLs may be URNs (`urn:oid:1.2.3|2`), which as references have no versions. */
function pushVersioned(param: SearchParam, text: string, baseUrl: string | undefined, out: IndexValue[]): void {
  const bar = text.startsWith('urn:') ? text.indexOf('|') : -1;
  if (bar !== -1) out.push({ kind: 'reference', param, url: text.slice(0, bar) });
  pushReference(param, text, baseUrl, out);
}

/** `url|version#id` names something within the resource of that URL and version: it is a reference to this one as well. */
function pushCanonical(param: SearchParam, text: string, baseUrl: string | undefined, out: IndexValue[]): void {
  const hash = text.indexOf('#');
  if (hash <= 0) {
    pushVersioned(param, text, baseUrl, out);
    return;
  }
  pushVersioned(param, text.slice(0, hash), baseUrl, out);
  out.push({ kind: 'reference', param, url: text });
}

function referenceEmit(param: SearchParam, baseUrl: string | undefined): Emit {
  return (value, out) => {
    if (typeof value === 'string') pushCanonical(param, value, baseUrl, out);
    else if (isObject(value)) pushReferenceObject(param, value, baseUrl, out);
  };
}

/** Open ends are infinite; undefined for what is no period. */
function periodRange(start: unknown, end: unknown): { lo: number; hi: number } | undefined {
  const first = typeof start === 'string' ? parseDateRange(start) : undefined;
  const last = typeof end === 'string' ? parseDateRange(end) : undefined;
  if ((start !== undefined && first === undefined) || (end !== undefined && last === undefined)) return undefined;
  if (first === undefined && last === undefined) return undefined;
  const lo = first ? first.lo : Number.NEGATIVE_INFINITY;
  const hi = last ? last.hi : Number.POSITIVE_INFINITY;
  return lo <= hi ? { lo, hi } : undefined;
}

function pushPeriod(param: SearchParam, start: unknown, end: unknown, out: IndexValue[]): void {
  const range = periodRange(start, end);
  if (range !== undefined) out.push({ kind: 'date', param, ...range });
}

/** Only the outer limits of a Timing count: those of its events and of `repeat.boundsPeriod` in one. */
function pushTiming(param: SearchParam, timing: Fields, out: IndexValue[]): void {
  let lo = Number.POSITIVE_INFINITY;
  let hi = Number.NEGATIVE_INFINITY;
  const widen = (range: { lo: number; hi: number } | undefined): void => {
    if (range === undefined) return;
    lo = Math.min(lo, range.lo);
    hi = Math.max(hi, range.hi);
  };
  if (Array.isArray(timing.event)) {
    for (const event of timing.event) widen(typeof event === 'string' ? parseDateRange(event) : undefined);
  }
  const bounds = isObject(timing.repeat) ? timing.repeat.boundsPeriod : undefined;
  if (isObject(bounds)) widen(periodRange(bounds.start, bounds.end));
  if (lo <= hi) out.push({ kind: 'date', param, lo, hi });
}

function dateEmit(param: SearchParam): Emit {
  return (value, out) => {
    if (typeof value === 'string') {
      const range = parseDateRange(value);
      if (range !== undefined) out.push({ kind: 'date', param, lo: range.lo, hi: range.hi });
    } else if (isObject(value)) {
      if (value.event !== undefined || value.repeat !== undefined) pushTiming(param, value, out);
      else pushPeriod(param, value.start, value.end, out);
    }
  };
}

function numberEmit(param: SearchParam): Emit {
  return (value, out) => {
    const text = decimalOf(value);
    if (text !== undefined) out.push({ kind: 'number', param, value: text });
  };
}

/** Of numbers some of which may be Ranges: RiskAssessment.probability. */
function rangedEmit(param: SearchParam): Emit {
  return (value, out) => {
    const text = decimalOf(value);
    if (text !== undefined) pushQuantity(param, { low: text, high: text }, {}, out);
    else if (isObject(value)) pushQuantity(param, rangeEnds(value), {}, out);
  };
}

const ISO_4217 = 'urn:iso:std:iso:4217';

function pushQuantity(
  param: SearchParam,
  limits: { low: string | undefined; high: string | undefined },
  unit: { system?: unknown; code?: unknown; unit?: unknown },
  out: IndexValue[],
): void {
  const { low, high } = limits;
  if (low === undefined && high === undefined) return;
  if (low !== undefined && high !== undefined && low !== high && compareDecimals(low, high) > 0) return;
  const value: IndexValue & { kind: 'quantity' } = { kind: 'quantity', param };
  if (low !== undefined) value.low = low;
  if (high !== undefined) value.high = high;
  if (typeof unit.system === 'string') value.system = unit.system;
  if (typeof unit.code === 'string') value.code = unit.code;
  if (typeof unit.unit === 'string') value.unit = unit.unit;
  out.push(value);
}

/** `<5 mg` is a range open below. */
function pushSimpleQuantity(param: SearchParam, quantity: Fields, out: IndexValue[]): void {
  const text = decimalOf(quantity.value);
  const comparator = quantity.comparator;
  const low = comparator === '<' || comparator === '<=' ? undefined : text;
  const high = comparator === '>' || comparator === '>=' ? undefined : text;
  const unit = typeof quantity.currency === 'string' ? { system: ISO_4217, code: quantity.currency } : quantity;
  pushQuantity(param, { low, high }, unit, out);
}

const endOf = (end: unknown): string | undefined => (isObject(end) ? decimalOf(end.value) : undefined);

const rangeEnds = ({ low, high }: Fields): { low: string | undefined; high: string | undefined } => ({
  low: endOf(low),
  high: endOf(high),
});

function pushRange(param: SearchParam, range: Fields, out: IndexValue[]): void {
  const unit = [range.low, range.high].find(isObject) ?? {};
  pushQuantity(param, rangeEnds(range), unit, out);
}

/** The bounds of the samples: https://hl7.org/fhir/R4/observation.html#search (value-quantity). */
function pushSampledData(param: SearchParam, sampled: Fields, out: IndexValue[]): void {
  if (typeof sampled.data !== 'string' || !isObject(sampled.origin)) return;
  let min = '';
  let max = '';
  for (const sample of sampled.data.split(/\s+/)) {
    if (!/^[-+]?\d/.test(sample)) continue;
    if (min === '' || Number(sample) < Number(min)) min = sample;
    if (max === '' || Number(sample) > Number(max)) max = sample;
  }
  const factor = sampled.factor === undefined ? '1' : (decimalOf(sampled.factor) ?? '');
  const origin = decimalOf(sampled.origin.value) ?? '';
  const low = scaledSample(factor.startsWith('-') ? max : min, factor, origin);
  const high = scaledSample(factor.startsWith('-') ? min : max, factor, origin);
  if (low !== undefined && high !== undefined) pushQuantity(param, { low, high }, sampled.origin, out);
}

function quantityEmit(param: SearchParam): Emit {
  return (value, out) => {
    if (!isObject(value)) return;
    if (value.value !== undefined) pushSimpleQuantity(param, value, out);
    else if (value.low !== undefined || value.high !== undefined) pushRange(param, value, out);
    else if (value.data !== undefined) pushSampledData(param, value, out);
  };
}

/** Every string element of HumanName and Address; not `use`, `type` and `period`. */
const STRING_PARTS = ['text', 'family', 'given', 'prefix', 'suffix', 'line', 'city', 'district', 'state'];
STRING_PARTS.push('postalCode', 'country');

function stringEmit(param: SearchParam): Emit {
  const ofFamilies = param.familyNames === true;
  const push = (value: unknown, out: IndexValue[], isFamily: boolean): void => {
    if (typeof value !== 'string' || value === '') return;
    out.push(isFamily ? { kind: 'string', param, value, family: true } : { kind: 'string', param, value });
  };
  return (value, out) => {
    if (!isObject(value)) return push(value, out, ofFamilies);
    for (const part of STRING_PARTS) {
      const text = value[part];
      if (Array.isArray(text)) for (const each of text) push(each, out, false);
      else if (text !== undefined) push(text, out, ofFamilies && part === 'family');
    }
  };
}

/** A profile `url|version#id` is also found by its URL and version, and by its URL alone, as other canonicals are. */
function uriEmit(param: SearchParam): Emit {
  const marks = param.code === '_profile' ? ['#', '|'] : [];
  return (value, out) => {
    if (typeof value !== 'string' || value === '') return;
    out.push({ kind: 'uri', param, value });
    let rest = value;
    for (const mark of marks) {
      const at = rest.indexOf(mark);
      if (at <= 0) continue;
      rest = rest.slice(0, at);
      out.push({ kind: 'uri', param, value: rest });
    }
  };
}

/** https://hl7.org/fhir/R4/location.html#search (near); degrees beyond the poles or once round are no place. */
function positionEmit(param: SearchParam): Emit {
  return (value, out) => {
    if (!isObject(value)) return;
    const latitude = Number(decimalOf(value.latitude) ?? Number.NaN);
    const longitude = Number(decimalOf(value.longitude) ?? Number.NaN);
    if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)
      out.push({ kind: 'position', param, latitude, longitude });
  };
}

function narrativeEmit(param: SearchParam): Emit {
  return (value, out) => {
    if (typeof value === 'string') out.push({ kind: 'narrative', param, value: xhtmlText(value) });
  };
}

function specialEmit(param: SearchParam): Emit | undefined {
  if (param.special === 'near') return positionEmit(param);
  return param.special === 'text' ? narrativeEmit(param) : undefined;
}

/** How the parameter's type turns elements into index values; undefined for what has none, or those of several parts. */
export function emitOf(param: SearchParam, baseUrl: string | undefined): Emit | undefined {
  switch (param.type) {
    case 'token':
      return tokenEmit(param);
    case 'reference':
      return referenceEmit(param, baseUrl);
    case 'date':
      return dateEmit(param);
    case 'number':
      return param.ranged === true ? rangedEmit(param) : numberEmit(param);
    case 'quantity':
      return quantityEmit(param);
    case 'string':
      return stringEmit(param);
    case 'uri':
      return uriEmit(param);
    case 'special':
      return specialEmit(param);
    default:
      return undefined;
  }
}
