// The concepts of one code system that belong to a value set, wherever they are held.
import type { JsonObject } from '#fhir-model';
import type { Queryable } from '#platform';
import { asArray, type CodeSystem, type Concept, type Designation, type Property } from './code-system.ts';
import { notListed } from './refusals.ts';
import { type Formula, needsConcepts } from './value-set-formula.ts';
import { selectInMemory, testInMemory } from './value-set-memory.ts';
import { selectByRule, testByRule } from './value-set-rule.ts';
import { selectInTable, tableParentCodes, tableParents, tableProperties, testInTable } from './value-set-table.ts';

export interface Selection {
  where: Formula;
  /** Folded words, each of which begins a word of the code, the display or a designation; none: all concepts. */
  words: readonly string[];
  offset: number;
  count: number;
}

export interface Selected {
  concepts: Concept[];
  /** How many there are without offset and count; undefined when it would cost too much to know. */
  total: number | undefined;
}

/** The codes of a formula that has nothing but codes joined by `and` and `or`; undefined for any other. */
export function enumerated(formula: Formula): Set<string> | undefined {
  switch (formula.kind) {
    case 'none':
      return new Set();
    case 'codes':
      return new Set(formula.codes);
    case 'or': {
      const parts = formula.of.map(enumerated);
      return parts.every((part) => part !== undefined) ? new Set(parts.flatMap((part) => [...part])) : undefined;
    }
    case 'and': {
      const known = formula.of.map(enumerated).filter((part) => part !== undefined);
      const [first] = known;
      if (first === undefined || formula.of.some(needsConcepts)) return undefined;
      return new Set([...first].filter((code) => formula.of.every((part) => holdsByCode(part, code))));
    }
    default:
      return undefined;
  }
}

/** Of a formula that does not need concepts. */
export function holdsByCode(formula: Formula, code: string): boolean {
  switch (formula.kind) {
    case 'all':
      return true;
    case 'codes':
      return formula.codes.has(code);
    case 'and':
      return formula.of.every((part) => holdsByCode(part, code));
    case 'or':
      return formula.of.some((part) => holdsByCode(part, code));
    case 'not':
      return !holdsByCode(formula.of, code);
    default:
      return false;
  }
}

/** Whether a formula that does not need concepts names the code: what it takes for not being excluded it does not name. */
export function namesCode(formula: Formula, code: string): boolean {
  if (formula.kind === 'codes') return formula.codes.has(code);
  if (formula.kind !== 'and' && formula.kind !== 'or') return false;
  return formula.of.some((part) => namesCode(part, code)) && holdsByCode(formula, code);
}

/**
 * In the order of the system. Throws `invalid-parameter` where the formula names a code or property that is not there,
 * `too-costly` for a system that lists no codes, `unsupported` for a regular expression that takes more than an automaton.
 */
export function select(db: Queryable, system: CodeSystem, selection: Selection): Promise<Selected> {
  if (system.memory) return selectInMemory(db, system.memory, selection);
  if (system.table) return selectInTable(db, system.table, selection);
  if (system.remote && enumerated(selection.where) === undefined) throw notListed(system.about.url);
  return selectByRule(system, selection);
}

/** Whether the formula holds for each of the system's concepts. */
export async function test(
  db: Queryable,
  system: CodeSystem,
  where: Formula,
  concepts: readonly Concept[],
): Promise<boolean[]> {
  if (system.memory) return testInMemory(db, system.memory, where, concepts);
  if (system.table) return testInTable(db, system.table, where, concepts);
  if (system.remote && needsConcepts(where)) throw notListed(system.about.url);
  return concepts.map((concept) => testByRule(system, where, concept));
}

/** What expansions show besides code and display. */
export interface Shown {
  designations: readonly Designation[];
  properties: readonly Property[];
  /** CodeSystem.concept.extension */
  extension: readonly JsonObject[];
}

const NOTHING: Shown = { designations: [], properties: [], extension: [] };

/** In the order of the concepts; of systems in the tables only what is asked for. */
export async function show(
  db: Queryable,
  system: CodeSystem,
  concepts: readonly Concept[],
  wanted: { designations: boolean; properties: boolean },
): Promise<Shown[]> {
  const { memory, table } = system;
  if (memory) {
    return concepts.map(({ n }) => {
      const { designations, properties, element } = memory.concepts[n]!;
      return { designations, properties, extension: asArray(element.extension) };
    });
  }
  if (!table) return concepts.map(() => NOTHING);
  const [designations, properties] = await Promise.all([
    wanted.designations ? Promise.all(concepts.map((concept) => system.designations(concept))) : undefined,
    wanted.properties ? tableProperties(db, table, concepts) : undefined,
  ]);
  return concepts.map(({ n }, i) => ({
    designations: designations?.[i] ?? [],
    properties: properties?.get(n) ?? [],
    extension: [],
  }));
}

/** Numbers of those directly above, in the order of the concepts; of is-a only. */
export async function parentsOf(
  db: Queryable,
  system: CodeSystem,
  concepts: readonly Concept[],
): Promise<(readonly number[])[]> {
  const { memory, table } = system;
  if (memory) return concepts.map(({ n }) => memory.lineage.parents[n]!);
  if (!table) return concepts.map(() => []);
  const parents = await tableParents(db, table, concepts);
  return concepts.map(({ n }) => parents.get(n) ?? []);
}

/** Codes of those directly above, in the order of the concepts; of is-a only. */
export async function parentCodesOf(
  db: Queryable,
  system: CodeSystem,
  concepts: readonly Concept[],
): Promise<(readonly string[])[]> {
  const { memory, table } = system;
  if (memory) return concepts.map(({ n }) => memory.lineage.parents[n]!.map((parent) => memory.concepts[parent]!.code));
  if (!table) return concepts.map(() => []);
  const codes = await tableParentCodes(db, table, concepts);
  return concepts.map(({ n }) => codes.get(n) ?? []);
}
