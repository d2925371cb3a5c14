// FHIR's data types as HL7 v2's: the maps of ../mapping/types the other way. HL7 v2.9 chapter 2A
import type { JsonObject } from '#fhir-model';
import { conceptMapOf } from '../mapping/codes/concept-maps.ts';
import { systemName } from '../mapping/codesystems.ts';
import type { ComponentValue, FieldValue, RepetitionValue } from '../message/build.ts';

export const listOf = (value: unknown): JsonObject[] => (Array.isArray(value) ? (value as JsonObject[]) : []);

export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export const objectOf = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/** Number or text, digit for digit. */
export const numberText = (value: unknown): string | undefined =>
  value === undefined || value === null ? undefined : String(objectOf(value).rawJSON ?? value);

/** Target code to source code, the first that the map has; codes of the sender's own are not given out. */
export function inverse(name: string): ReadonlyMap<string, string> {
  const { codes, ours } = conceptMapOf(name);
  const result = new Map<string, string>();
  for (const [from, { code }] of codes) if (!ours.has(from) && !result.has(code)) result.set(code, from);
  return result;
}

/** date, dateTime or instant as DTM: as precise as it is, with its offset. */
export function dtm(value: unknown): string | undefined {
  const text = textOf(value);
  if (text === undefined) return undefined;
  const [day = '', clock] = text.split('T');
  if (clock === undefined) return day.replaceAll('-', '');
  const [, time = '', offset = ''] = /^([\d:.]+)(Z|[+-]\d\d:\d\d)?$/.exec(clock) ?? [];
  return `${day.replaceAll('-', '')}${time.replaceAll(':', '')}${offset === 'Z' ? '+0000' : offset.replace(':', '')}`;
}

/** A field of as many repetitions as there are. */
export function repeating(values: readonly (RepetitionValue | undefined)[]): FieldValue {
  return { repetitions: values.filter((value) => value !== undefined) };
}

/** What names a system as an assigning authority: HD. `own`: Identifier.system -> namespace, as the site's configuration has it. */
export type Authorities = ReadonlyMap<string, string>;

export function authorityOf(system: string | undefined, own: Authorities): ComponentValue {
  if (system === undefined) return undefined;
  const configured = own.get(system);
  if (configured !== undefined) return [configured];
  if (system === 'http://hl7.org/fhir/sid/us-npi') return ['NPI', '2.16.840.1.113883.4.6', 'ISO'];
  if (system === 'http://hl7.org/fhir/sid/us-ssn') return ['USSSA', '2.16.840.1.113883.4.1', 'ISO'];
  const [, kind, rest = ''] = /^urn:(id|oid|uuid):(.+)$/.exec(system) ?? [];
  // What the engine has made of a namespace is that namespace again; of a number without one the facility's.
  if (kind === 'id') return [decodeURIComponent(rest.split(':')[0] ?? '')];
  if (kind === 'oid') return [undefined, rest, 'ISO'];
  if (kind === 'uuid') return [undefined, rest, 'UUID'];
  return [undefined, system, 'URI'];
}

export function firstCode(concept: unknown): string | undefined {
  return textOf(listOf(objectOf(concept).coding)[0]?.code);
}

/** Identifier as CX. */
export function cx(identifier: JsonObject, own: Authorities): RepetitionValue {
  const value = textOf(identifier.value);
  if (value === undefined) return undefined;
  const period = objectOf(identifier.period);
  const authority = authorityOf(textOf(identifier.system), own);
  const type = firstCode(identifier.type) ?? textOf(objectOf(identifier.type).text);
  return [value, null, null, authority, type, null, day(period.start), day(period.end)];
}

/** Identifier as EI. */
export function ei(identifier: JsonObject | undefined, own: Authorities): RepetitionValue {
  const value = textOf(identifier?.value);
  if (value === undefined) return undefined;
  const authority = authorityOf(textOf(identifier?.system), own);
  return [value, ...(Array.isArray(authority) ? (authority as string[]) : [])];
}

const day = (value: unknown): string | undefined => dtm(value)?.slice(0, 8);

/** CodeableConcept or its like as CWE: the first two codings, the text. */
export function cwe(concept: unknown): RepetitionValue {
  const { coding, text } = objectOf(concept);
  const [first, second] = listOf(coding);
  if (first === undefined) return text === undefined ? undefined : [null, textOf(text)];
  const parts = [first, second].flatMap((one) => [
    textOf(one?.code),
    textOf(one?.display),
    one === undefined ? undefined : systemName(textOf(one.system)),
  ]);
  return [...parts, null, null, textOf(text)];
}

const nameTypes = inverse('NameType');

/** HumanName as XPN. */
export function xpn(name: JsonObject): RepetitionValue {
  const texts = (value: unknown): string[] =>
    Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  const [given, ...others] = texts(name.given);
  const family = textOf(name.family);
  if (family === undefined && given === undefined) return name.text === undefined ? undefined : [textOf(name.text)];
  const use = textOf(name.use);
  return [
    family,
    given,
    others.join(' '),
    texts(name.suffix).join(' '),
    texts(name.prefix).join(' '),
    null,
    use === undefined ? 'L' : (nameTypes.get(use) ?? 'U'),
  ];
}

const addressUses = inverse('AddressType[Use]');

/** Address as XAD. */
export function xad(address: JsonObject): RepetitionValue {
  const [line, ...others] = (Array.isArray(address.line) ? address.line : []) as string[];
  const type = address.type === 'postal' ? 'M' : addressUses.get(textOf(address.use) ?? '');
  return [
    line ?? textOf(address.text),
    others.join(', '),
    textOf(address.city),
    textOf(address.state),
    textOf(address.postalCode),
    textOf(address.country),
    type,
    null,
    textOf(address.district),
  ];
}

const equipment: Readonly<Record<string, string>> = { email: 'Internet', fax: 'FX', pager: 'BP', phone: 'PH' };

/** ContactPoint as XTN. */
export function xtn(point: JsonObject): RepetitionValue {
  const value = textOf(point.value);
  if (value === undefined) return undefined;
  const use = point.use === 'work' ? 'WPN' : point.use === 'mobile' ? 'PRS' : point.system === 'email' ? 'NET' : 'PRN';
  const type = point.use === 'mobile' ? 'CP' : (equipment[textOf(point.system) ?? ''] ?? 'PH');
  return point.system === 'email' ? [null, use, type, value] : [value, use, type];
}
