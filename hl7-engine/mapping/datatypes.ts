// XPN, XAD, XTN, CWE and DR to FHIR's data types: https://hl7.org/fhir/uv/v2mappings/datatype_maps.html
import type { JsonObject } from '#fhir-model';
import type { Delimiters } from '../message/escape.ts';
import type { Part } from '../message/message.ts';
import { conceptMapOf } from './codes/concept-maps.ts';
import { v2Table } from './codes/systems.ts';
import { codingSystem } from './codesystems.ts';
import type { Mapping } from './context.ts';
import { dateTime } from './datetime.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition/';

function period(mapping: Mapping, start: Part, end: Part): JsonObject | undefined {
  const from = dateTime(start.text, mapping.zone);
  const to = dateTime(end.text, mapping.zone);
  return from === undefined && to === undefined ? undefined : { start: from, end: to };
}

/** DR, as a field or component. */
export function drPeriod(mapping: Mapping, dr: Part): JsonObject | undefined {
  return period(mapping, dr.component(1), dr.component(2));
}

/** Where XPN and XCN have the parts of a name; family, given, further given, suffix and prefix follow each other. */
const nameLayouts = {
  XPN: { family: 1, suffixes: [4, 6, 14], use: 7, range: 10, order: 11, start: 12, end: 13 },
  // XCN's degree is the qualification of the practitioner.
  XCN: { family: 2, suffixes: [5, 21], use: 10, range: 17, order: 18, start: 19, end: 20 },
} as const;

const nameUse = conceptMapOf('NameType').codes;
const nameOrders = conceptMapOf('NameAssemblyOrder').codes;

/** XPN or XCN. */
export function humanName(mapping: Mapping, part: Part, layout: 'XPN' | 'XCN'): JsonObject | undefined {
  const at = nameLayouts[layout];
  const text = (number: number): string | undefined => part.component(number).text;
  const surname = part.component(at.family);
  const family = surname.text;
  const given = [text(at.family + 1), text(at.family + 2)].filter((name) => name !== undefined);
  const prefix = text(at.family + 4);
  if (family === undefined && given.length === 0) return undefined;
  const range = part.component(at.range);
  const order = nameOrders.get(text(at.order) ?? '')?.code;
  return {
    extension: order === undefined ? undefined : [{ url: `${structure}humanname-assembly-order`, valueCode: order }],
    use: nameUse.get(text(at.use) ?? '')?.code,
    family,
    _family: surname.raw === family ? undefined : surnameParts(surname),
    given,
    prefix: prefix === undefined ? undefined : [prefix],
    suffix: at.suffixes.map(text).filter((name) => name !== undefined),
    period:
      period(mapping, part.component(at.start), part.component(at.end)) ??
      (range.raw === '' ? undefined : periodOfParts(mapping, range)),
  };
}

const surnameExtensions = ['own-prefix', 'own-name', 'partner-prefix', 'partner-name'];

/** FN: the surname's own and partner's parts, as extensions of it. */
function surnameParts(surname: Part): JsonObject | undefined {
  const extension = surnameExtensions.flatMap((name, index) => {
    const valueString = surname.subcomponent(index + 2).text;
    return valueString === undefined ? [] : [{ url: `${structure}humanname-${name}`, valueString }];
  });
  return extension.length === 0 ? undefined : { extension };
}

/** What a person is called in a reference's display. */
export function displayName(name: JsonObject | undefined): string | undefined {
  if (name === undefined) return undefined;
  const words = [name.prefix, name.given, name.family, name.suffix].flat().filter((word) => typeof word === 'string');
  return words.length === 0 ? undefined : words.join(' ');
}

const addressUse = conceptMapOf('AddressType[Use]').codes;
const addressType = conceptMapOf('AddressType[Type]').codes;

/** XAD. */
export function address(mapping: Mapping, xad: Part): JsonObject | undefined {
  const text = (number: number): string | undefined => xad.component(number).text;
  const street = xad.component(1);
  // SAD: street or mailing address, street name, dwelling number.
  const dwelling = [street.subcomponent(3).text, street.subcomponent(2).text].filter((word) => word !== undefined);
  const line = [text(1), dwelling.join(' ') || undefined, text(2), text(19)].filter((row) => row !== undefined);
  const place = { city: text(3), state: text(4), postalCode: text(5), country: text(6), district: text(9) };
  if (line.length === 0 && Object.values(place).every((value) => value === undefined)) return undefined;
  const kind = text(7) ?? '';
  return {
    extension: kind === 'HV' ? [{ url: `${structure}iso21090-AD-use`, valueCode: 'HV' }] : undefined,
    use: addressUse.get(kind)?.code,
    type: addressType.get(kind)?.code,
    line,
    ...place,
    period: period(mapping, xad.component(13), xad.component(14)) ?? periodOfParts(mapping, xad.component(12)),
  };
}

/** DR as a component. */
function periodOfParts(mapping: Mapping, component: Part): JsonObject | undefined {
  return period(mapping, component.subcomponent(1), component.subcomponent(2));
}

const telecomUse = conceptMapOf('TelecommunicationUseCode').codes;
const telecomSystem = conceptMapOf('TelecommunicationEquipmentType').codes;

/** XTN; `use` is what the field says where XTN.2 is empty. */
export function contactPoint(mapping: Mapping, xtn: Part, use: string | undefined): JsonObject | undefined {
  const text = (number: number): string | undefined => xtn.component(number).text;
  const equipment = (text(3) ?? '').toUpperCase();
  const email = text(4);
  const isEmail = equipment === 'INTERNET' || equipment === 'X.400' || (email?.includes('@') ?? false);
  const value = isEmail ? (email ?? text(1)) : (text(12) ?? localNumber(xtn) ?? text(1) ?? email);
  if (value === undefined) return undefined;
  const useCode = (text(2) ?? '').toUpperCase();
  const rank = Number(text(18));
  return {
    extension: numberParts(xtn),
    system: isEmail ? 'email' : (telecomSystem.get(equipment)?.code ?? 'phone'),
    value,
    use: equipment === 'CP' ? 'mobile' : (telecomUse.get(useCode)?.code ?? (useCode === '' ? use : undefined)),
    rank: Number.isInteger(rank) && rank > 0 ? rank : undefined,
    period: period(mapping, xtn.component(13), xtn.component(14)),
  };
}

const numberExtensions = ['country', 'area', 'local', 'extension'];

/** XTN.5 to XTN.8 one by one. */
function numberParts(xtn: Part): JsonObject[] | undefined {
  const extension = numberExtensions.flatMap((name, index) => {
    const valueString = xtn.component(index + 5).text;
    return valueString === undefined ? [] : [{ url: `${structure}contactpoint-${name}`, valueString }];
  });
  return extension.length === 0 ? undefined : extension;
}

/** Country, area, local number and extension: `+1 555 1234567 X12`. */
function localNumber(xtn: Part): string | undefined {
  const [country, area, local, extension] = [5, 6, 7, 8].map((number) => xtn.component(number).text);
  if (local === undefined) return undefined;
  const words = [country === undefined ? undefined : `+${country.replace(/^\+/, '')}`, area, local];
  if (extension !== undefined) words.push(`X${extension}`);
  return words.filter((word) => word !== undefined).join(' ');
}

// code has no space at its ends and none but single ones within: https://hl7.org/fhir/R4/datatypes.html#code
function codeOf(text: string | undefined): string | undefined {
  return text?.trim().replaceAll(/\s+/g, ' ') || undefined;
}

/** code, text, system name, version and object identifier of CWE's three codings. */
const codings = [
  [1, 2, 3, 7, 14],
  [4, 5, 6, 8, 17],
  [10, 11, 12, 13, 20],
] as const;

const firstCoding = [codings[0]] as const;

/** Code, text and system are all there is, as in most: what stands behind them need not be looked for. */
function hasThreeComponents(raw: string, { component, subcomponent }: Delimiters): boolean {
  let count = 0;
  for (const character of raw) if (character === component || character === subcomponent) count++;
  return count < 3;
}

interface CwePlace {
  /** HL7 table the field is bound to, and the codes of it that are known: their system where none is sent. */
  table?: string;
  known?: ReadonlySet<string>;
}

/** What a site's own map has for the code, before the code as it was sent. */
function siteCode(mapping: Mapping, table: string | undefined, code: string): JsonObject | undefined {
  const site = table === undefined ? undefined : mapping.codeMap(table, code);
  return site === undefined ? undefined : { ...site };
}

/** CWE, CE, CNE, CF, IS, ID. */
export function codeableConcept(mapping: Mapping, cwe: Part, place: CwePlace = {}): JsonObject | undefined {
  const coding: JsonObject[] = [];
  const isShort = hasThreeComponents(cwe.raw, mapping.message.delimiters);
  for (const [codeAt, textAt, systemAt, versionAt, oidAt] of isShort ? firstCoding : codings) {
    const code = codeOf(cwe.component(codeAt).text);
    if (code === undefined) continue;
    const name = cwe.component(systemAt).text;
    const system = codingSystem(name, isShort ? undefined : cwe.component(oidAt).text, mapping.facility);
    const bound = place.table !== undefined && place.known?.has(code) ? v2Table(place.table) : undefined;
    const site = siteCode(mapping, name ?? place.table, code);
    if (site !== undefined) coding.push(site);
    coding.push({
      system: system ?? bound,
      version: isShort ? undefined : cwe.component(versionAt).text,
      code,
      display: cwe.component(textAt).text,
    });
  }
  const words = isShort ? undefined : cwe.component(9).text;
  const text = words ?? (coding.length === 0 ? (cwe.component(2).text ?? cwe.component(5).text) : undefined);
  return coding.length === 0 && text === undefined ? undefined : { coding, text };
}

/** Every repetition that has a value. */
export function repeated<T>(field: Part, map: (repetition: Part) => T | undefined): T[] {
  const values: T[] = [];
  for (const repetition of field.repetitions()) {
    const value = map(repetition);
    if (value !== undefined) values.push(value);
  }
  return values;
}
