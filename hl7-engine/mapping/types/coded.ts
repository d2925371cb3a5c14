// CWE, CNE, CE, CF, IS and ID to code, Coding and CodeableConcept, through concept maps where the row names one:
// https://hl7.org/fhir/uv/v2mappings/ (CWE[code], CWE[Coding], CWE[CodeableConcept], ID[code], IS[code] …)
//
// A code that the map does not have stays as it was sent. Where the element takes codes of its own only (a row's `code
// ConceptMap`), the map's `otherwise` stands for it, or nothing, and the message gets a warning.
import type { Json, JsonObject } from '#fhir-model';
import type { Part } from '../../message/message.ts';
import type { Concept, ConceptMap } from '../codes/concept-map.ts';
import { conceptMapOf } from '../codes/concept-maps.ts';
import type { Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import type { PlacedContext } from '../table/context.ts';
import type { DataType } from './type.ts';

/** What a code of the sender's is in the map: the site's own map first; a coding system of another table is not this map's. */
function mapped(mapping: Mapping, map: ConceptMap, part: Part): Concept | undefined {
  const code = part.component(1).text;
  if (code === undefined) return undefined;
  const system = part.component(3).text;
  const site = (system === undefined ? undefined : mapping.codeMap(system, code)) ?? mapping.codeMap(map.table, code);
  if (site !== undefined) return site;
  if (system !== undefined && !isTable(system, map)) return undefined;
  return map.codes.get(code) ?? map.codes.get(code.toUpperCase());
}

// Also the target code's own system, `female^^http://hl7.org/…`, or tables without their zeros: `HL7127`.
function isTable(system: string, map: ConceptMap): boolean {
  const table = /^(?:HL7[_-]?|http:\/\/terminology\.hl7\.org\/CodeSystem\/v2-)(\d{1,4})$/i.exec(system)?.[1];
  return table?.padStart(4, '0') === map.table || system === map.system || /^L$/i.test(system);
}

/** The code alone, for elements with a required binding. */
export function mappedCode(mapping: Mapping, map: ConceptMap, part: Part, where: string): string | undefined {
  const sent = part.component(1).text;
  if (sent === undefined) return undefined;
  const concept = mapped(mapping, map, part);
  if (concept !== undefined) return concept.code;
  if (!map.without.has(sent)) mapping.warnings.add(`${where}: code not known in table ${map.table}`);
  return map.otherwise;
}

/** One Coding: the map's, else the first as it was sent. */
function mappedCoding(mapping: Mapping, map: ConceptMap, part: Part): JsonObject | undefined {
  const concept = mapped(mapping, map, part);
  if (concept !== undefined) return { ...concept };
  return firstCoding(mapping, part, map);
}

export function firstCoding(mapping: Mapping, part: Part, map?: ConceptMap): JsonObject | undefined {
  const sent = sentConcept(mapping, part, map)?.coding;
  return Array.isArray(sent) ? (sent[0] as JsonObject) : undefined;
}

function sentConcept(mapping: Mapping, part: Part, map?: ConceptMap): JsonObject | undefined {
  if (map === undefined) return codeableConcept(mapping, part);
  return codeableConcept(mapping, part, { table: map.table, known: map.knownCodes });
}

/** The map's coding first, then what was sent, unless it says the same. */
export function mappedConcept(mapping: Mapping, map: ConceptMap, part: Part): JsonObject | undefined {
  const sent = sentConcept(mapping, part, map);
  const concept = mapped(mapping, map, part);
  if (concept === undefined || sent === undefined) return sent;
  const codings = sent.coding as JsonObject[];
  // The same code under the table that the field is bound to says nothing more.
  const bound = part.component(3).text === undefined ? codings[0] : undefined;
  const isSame = (coding: JsonObject): boolean =>
    coding.code === concept.code && (coding === bound || coding.system === concept.system);
  const same = codings.find(isSame);
  const first = { ...concept, display: concept.display ?? same?.display };
  return { ...sent, coding: [first, ...codings.filter((coding) => !isSame(coding))] };
}

function withMap(
  yields: string,
  guide: readonly string[],
  map: (map: ConceptMap, part: Part, context: PlacedContext) => Json | undefined,
): DataType {
  return {
    guide,
    yields,
    composite: true,
    compile([name, ...more]) {
      const found = conceptMapOf(name);
      if (more.length > 0) throw new SyntaxError(`one concept map, but "${more.join(' ')}" beside it`);
      return (part, context) => map(found, part, context);
    },
  };
}

export const codedTypes = {
  /** `code AdministrativeSex`. */
  code: withMap('code', ['CWE[code]', 'ID[code]', 'IS[code]'], (map, part, context) =>
    mappedCode(context.mapping, map, part, context.place),
  ),
  /** `coding PatientClass[EncounterClass]`. */
  coding: withMap('Coding', ['ID[Coding]'], (map, part, { mapping }) => mappedCoding(mapping, map, part)),
  /** `concept MaritalStatus`: the original stays beside the mapped code. */
  concept: withMap('CodeableConcept', ['ID[CodeableConcept]', 'IS[CodeableConcept]'], (map, part, { mapping }) =>
    mappedConcept(mapping, map, part),
  ),
} satisfies Record<string, DataType>;
