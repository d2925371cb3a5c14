// HumanName, Address and ContactPoint to XPN, XAD and XTN: what mapping/datatypes.ts reads, the other way round
import type { Json, JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { ComponentValue, TextValue } from '../../message/build.ts';
import { type Building, isObject, objects, since, text } from '../building.ts';
import { tableCode } from './coded.ts';
import { dtm } from './time.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition/';

const texts = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string' && item !== '') : [];

/** HumanName.use that has an older or better code in table 0200 than the map's first. */
const nameTypes: Readonly<Record<string, string>> = { anonymous: 'S', official: 'L', old: 'BAD', temp: 'TEMP' };

/** Family, given, further given, suffix, prefix; suffix is that of XPN.4, the second one the degree's place. */
export interface NameParts {
  parts: [ComponentValue, TextValue, TextValue, TextValue, TextValue, TextValue];
  use: string | undefined;
  start: string | undefined;
  end: string | undefined;
}

export function nameParts(name: Json | undefined): NameParts | undefined {
  if (!isObject(name)) return undefined;
  const [first, ...further] = texts(name.given);
  const [suffix, ...degrees] = texts(name.suffix);
  const family = familyOf(name) ?? (first === undefined ? text(name.text) : undefined);
  if (family === undefined && first === undefined) return undefined;
  const period = isObject(name.period) ? name.period : {};
  const use = text(name.use);
  return {
    parts: [
      ...([family, first, further.join(' ') || undefined] as const),
      ...([suffix, texts(name.prefix).join(' ') || undefined, degrees.join(' ') || undefined] as const),
    ],
    use: use && (ownValue(nameTypes, use) ?? tableCode('NameType', use)),
    start: dtm(period.start),
    end: dtm(period.end),
  };
}

/** With the surname's own and partner's parts, where extensions have them. */
function familyOf(name: JsonObject): ComponentValue {
  const family = text(name.family);
  const more = isObject(name._family) ? objects(name._family.extension) : [];
  const part = (kind: string): string | undefined =>
    text(more.find(({ url }) => url === `${structure}humanname-${kind}`)?.valueString);
  const parts = ['own-prefix', 'own-name', 'partner-prefix', 'partner-name'].map(part);
  return parts.every((one) => one === undefined) ? family : [family, ...parts];
}

export function xpn(_building: Building, value: Json | undefined): ComponentValue[] | undefined {
  const name = nameParts(value);
  if (name === undefined) return undefined;
  const gap = Array<undefined>(4).fill(undefined);
  return [...name.parts, name.use, ...gap, name.start, name.end];
}

const addressUses: Readonly<Record<string, string>> = { home: 'H', work: 'B', temp: 'C', old: 'BA', billing: 'BI' };
const addressTypes: Readonly<Record<string, string>> = { postal: 'M' };

export function xad(_building: Building, value: Json | undefined): ComponentValue[] | undefined {
  if (!isObject(value)) return undefined;
  const lines = texts(value.line);
  const [street, other, ...more] =
    lines.length > 0 ? lines : texts([value.text ?? '']).slice(0, isPlain(value) ? 0 : 1);
  const period = isObject(value.period) ? value.period : {};
  const kind = ownValue(addressUses, text(value.use)) ?? ownValue(addressTypes, text(value.type));
  const place = [value.city, value.state, value.postalCode, value.country].map(text);
  if ([street, ...place, text(value.district)].every((one) => one === undefined)) return undefined;
  const gap = [undefined, undefined];
  const end = [dtm(period.start), dtm(period.end), ...gap, ...gap, more.join(', ') || undefined];
  return [street, other, ...place, kind, undefined, text(value.district), ...gap, undefined, ...end];
}

const isPlain = (address: JsonObject): boolean =>
  text(address.city) !== undefined || text(address.postalCode) !== undefined;

const numberUses: Readonly<Record<string, string>> = { home: 'PRN', work: 'WPN', temp: 'VHN', mobile: 'PRS' };
const equipment: Readonly<Record<string, string>> = { phone: 'PH', fax: 'FX', pager: 'BP', sms: 'CP' };

/** Undefined for a number that is not in use any more, which table 0201 has no code for, for a URL and for what is neither phone, fax, pager, SMS nor e-mail: table 0202 has nothing for them. */
export function xtn(building: Building, value: Json | undefined): ComponentValue[] | undefined {
  if (!isObject(value)) return undefined;
  const number = text(value.value);
  const system = text(value.system) ?? 'phone';
  if (number === undefined) return undefined;
  if (value.use === 'old') {
    building.warnings.add('A telecom of use old has no place in XTN');
    return undefined;
  }
  const rank = typeof value.rank === 'number' ? String(value.rank) : undefined;
  const use = ownValue(numberUses, text(value.use));
  const period = isObject(value.period) ? value.period : {};
  const end = [dtm(period.start), dtm(period.end), undefined, undefined, undefined, rank];
  const gap = Array<undefined>(7).fill(undefined);
  if (system === 'email') {
    return [undefined, use ?? 'NET', 'Internet', number, ...gap, undefined, ...end];
  }
  const kind = value.use === 'mobile' ? 'CP' : ownValue(equipment, system);
  if (kind === undefined) {
    building.warnings.add(`A telecom of system ${system} has no place in XTN`);
    return undefined;
  }
  const parts = ['country', 'area', 'local', 'extension'].map((name) =>
    text(objects(value.extension).find(({ url }) => url === `${structure}contactpoint-${name}`)?.valueString),
  );
  // XTN.1 was withdrawn with 2.7, XTN.12 is there since 2.6.
  const [whole, plain] = since(building, '2.7') ? [undefined, number] : [number, undefined];
  return [whole, use, kind, undefined, ...parts, undefined, undefined, undefined, plain, ...end];
}
