// code, Coding and CodeableConcept to CWE, CE, IS and ID: the concept maps of https://hl7.org/fhir/uv/v2mappings/ the other way round
import type { Json, JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import { conceptMapOf } from '../../mapping/codes/concept-maps.ts';
import { v2Table } from '../../mapping/codes/systems.ts';
import { codingSystemName } from '../../mapping/codesystems.ts';
import type { ComponentValue } from '../../message/build.ts';
import { type Building, isObject, objects, since, text } from '../building.ts';

const reversed = new Map<string, ReadonlyMap<string, string>>();

/** Target code -> the code of the HL7 table. Where several mean one, the table's own go first, then the guide's, then the first. */
function reverseOf(name: string): ReadonlyMap<string, string> {
  const known = reversed.get(name);
  if (known !== undefined) return known;
  const map = conceptMapOf(name);
  const rank = (code: string): number => (map.knownCodes.has(code) ? 0 : 2) + (map.ours.has(code) ? 1 : 0);
  const entries = [...map.codes].toSorted(([a], [b]) => rank(a) - rank(b));
  const result = new Map<string, string>();
  for (const [code, target] of entries) {
    for (const key of [`${target.system ?? ''}|${target.code}`, target.code]) {
      if (!result.has(key)) result.set(key, code);
    }
  }
  reversed.set(name, result);
  return result;
}

/** The HL7 table's code of a code of FHIR's. Throws SyntaxError for a map that there is not. */
export function tableCode(name: string, code: Json | undefined): string | undefined {
  return typeof code === 'string' ? reverseOf(name).get(code) : undefined;
}

/** Of a Coding; its system counts. */
function tableCodeOf(name: string, { system, code }: JsonObject): string | undefined {
  if (typeof code !== 'string') return undefined;
  const map = conceptMapOf(name);
  if (system === v2Table(map.table)) return code;
  return reverseOf(name).get(`${typeof system === 'string' ? system : ''}|${code}`);
}

interface Coded {
  code: string;
  words: string | undefined;
  system: string | undefined;
  version: string | undefined;
}

const systemName = ({ target }: Building, system: string): string =>
  ownValue(target.codingSystems, system) ?? codingSystemName(system, target.sendingFacility);

function sent(building: Building, coding: JsonObject): Coded | undefined {
  const code = text(coding.code);
  if (code === undefined) return undefined;
  const system = text(coding.system);
  return {
    code,
    words: text(coding.display),
    system: system && systemName(building, system),
    version: text(coding.version),
  };
}

/** The map's code first; one of a site's own, which the HL7 table has not, without a system. */
function mappedFirst(building: Building, codings: JsonObject[], mapName: string | undefined): (Coded | undefined)[] {
  const at = mapName === undefined ? -1 : codings.findIndex((coding) => tableCodeOf(mapName, coding) !== undefined);
  if (mapName === undefined || at < 0) return codings.map((coding) => sent(building, coding));
  const map = conceptMapOf(mapName);
  const table = v2Table(map.table);
  const isOwn = ({ system }: JsonObject): boolean => system === undefined || system === table;
  // Several codes of the table may mean the one concept: what was sent stands beside it.
  const original = codings.find(
    (coding, index) =>
      index !== at && isOwn(coding) && map.codes.get(String(coding.code))?.code === text(codings[at]!.code),
  );
  const code = text(original?.code) ?? tableCodeOf(mapName, codings[at]!)!;
  const others = codings.filter((coding, index) => index !== at && !(isOwn(coding) && coding.code === code));
  const words = text(original?.display) ?? text(codings[at]!.display);
  const system = map.knownCodes.has(code) ? systemName(building, table) : undefined;
  const first: Coded = { code, words, system, version: text(original?.version) };
  return [first, ...others.map((coding) => sent(building, coding))];
}

/**
 * CWE, with up to three codings; of `mapName`'s table where the concept is in that map. Words alone where no coding has a code,
 * undefined for what says nothing.
 */
export function cwe(building: Building, value: Json | undefined, mapName?: string): ComponentValue[] | undefined {
  if (!isObject(value)) return undefined;
  const codings = value.coding === undefined ? [value] : objects(value.coding);
  const found = mappedFirst(building, codings, mapName).filter((one) => one !== undefined);
  const [first, second, third] = found;
  const words = text(value.text) ?? (first === undefined ? displayOf(codings) : undefined);
  if (first === undefined) return words === undefined ? undefined : [undefined, words];
  const whole = [
    ...[first.code, first.words, first.system],
    ...[second?.code, second?.words, second?.system],
    ...[first.version, second?.version, words === first.words ? undefined : words],
  ];
  if (third === undefined || !since(building, '2.7')) return whole;
  return [...whole, third.code, third.words, third.system, third.version];
}

const displayOf = (codings: readonly JsonObject[]): string | undefined =>
  codings.map(({ display }) => text(display)).find((display) => display !== undefined);

/** The code alone, for IS and ID; what is not in the map as it stands, if it is a code of the table itself. */
export function tableCodeOrNone(value: Json | undefined, mapName: string): string | undefined {
  if (typeof value === 'string') return tableCode(mapName, value);
  if (!isObject(value)) return undefined;
  const codings = value.coding === undefined ? [value] : objects(value.coding);
  return codings.map((coding) => tableCodeOf(mapName, coding)).find((code) => code !== undefined);
}
