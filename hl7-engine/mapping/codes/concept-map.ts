// A concept map: codes of an HL7 table to codes of FHIR's. https://hl7.org/fhir/uv/v2mappings/concept_maps.html
import type { JsonObject } from '#fhir-model';
import { v2Table } from './systems.ts';

export interface Concept extends JsonObject {
  system?: string;
  code: string;
  display?: string;
}

export interface ConceptMap {
  readonly name: string;
  /** HL7 table of the source codes: `0001`. */
  readonly table: string;
  /** System of the target codes, where they have one in common. */
  readonly system: string;
  /** What stands where a code is not in the map and the element takes no other: the element's binding is required. */
  readonly otherwise: string | undefined;
  readonly codes: ReadonlyMap<string, Concept>;
  /** Codes of the table that are codes of its v2 code system, so that they may stand under it. */
  readonly knownCodes: ReadonlySet<string>;
  /** Codes of the table that have no equivalent: they are not unknown. */
  readonly without: ReadonlySet<string>;
  /** Source codes that are our choice, where the guide leaves them open or does not have them. */
  readonly ours: ReadonlySet<string>;
}

export interface ConceptMapSource {
  table: string;
  /** Of the target codes; the same v2 table where it is left out. */
  system?: string;
  otherwise?: string;
  /**
   * Separated by spaces: `M=male`; `O` alone: the same code; `X=` no equivalent; `!A=active`: ours; `=QD`: no code of the
   * table, but sent in its place.
   */
  codes: string;
  /** Other systems than `system`: the target codes of each, separated by spaces. */
  systems?: Readonly<Record<string, string>>;
  /** Target code to its name. */
  displays?: Readonly<Record<string, string>>;
}

/** Throws SyntaxError for an entry that cannot be read. */
export function conceptMap(name: string, source: ConceptMapSource): ConceptMap {
  const system = source.system ?? v2Table(source.table);
  const codes = new Map<string, Concept>();
  const without = new Set<string>();
  const ours = new Set<string>();
  const foreign = new Set<string>();
  const others = new Map(
    Object.entries(source.systems ?? {}).flatMap(([uri, list]) =>
      list.split(/\s+/).map((code) => [code, uri] as const),
    ),
  );
  for (const entry of source.codes.split(/\s+/)) {
    if (entry === '') continue;
    const match = /^(!|=)?([^=]+)(?:=(.*))?$/.exec(entry);
    if (!match) throw new SyntaxError(`${name}: "${entry}"`);
    const [, mark, from = '', to = from] = match;
    if (mark !== undefined) foreign.add(from);
    if (mark === '!') ours.add(from);
    if (to === '') without.add(from);
    else codes.set(from, concept(others.get(to) ?? system, to, source.displays?.[to]));
  }
  const { table, otherwise } = source;
  const knownCodes = new Set([...codes.keys(), ...without].filter((code) => !foreign.has(code)));
  return { name, table, system, otherwise, codes, knownCodes, without, ours };
}

function concept(system: string, code: string, display: string | undefined): Concept {
  return { system, code, ...(display === undefined ? {} : { display }) };
}
