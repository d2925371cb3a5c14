// Value sets over a code system in memory: https://hl7.org/fhir/R4/valueset-filter-operator.html
import { wordsOf } from '#fhir-model';
import { CerebraError, type Queryable } from '#platform';
import type { Concept } from './code-system.ts';
import type { MemoryConcept, MemoryIndex } from './memory-index.ts';
import { foldCode } from './system-codes.ts';
import type { Field, Formula } from './value-set-formula.ts';
import { matching } from './value-set-regex.ts';
import type { Selected, Selection } from './value-set-select.ts';
import { mayBeNames } from './value-set-sql.ts';

type Test = (concept: MemoryConcept) => boolean;

const inNumbers =
  (numbers: ReadonlySet<number>): Test =>
  ({ n }) =>
    numbers.has(n);

export const unknownPlace = (url: string, code: string): CerebraError =>
  new CerebraError('invalid-parameter', `The code system '${url}' has no code '${code.slice(0, 80)}'`);

export const unknownProperty = (url: string, property: string): CerebraError =>
  new CerebraError('invalid-parameter', `The code system '${url}' has no property '${property.slice(0, 80)}'`);

function place({ about, find }: MemoryIndex, code: string): MemoryConcept {
  const concept = find(code);
  if (!concept) throw unknownPlace(about.url, code);
  return concept;
}

function valuesOf(concept: MemoryConcept, field: Field): string[] {
  if (typeof field === 'string') return concept[field] === undefined ? [] : [concept[field]];
  return concept.properties.filter(({ code }) => code === field.property).map(({ value }) => value);
}

/** A property that is neither defined nor used is none of the system. */
function assertProperty({ about, concepts }: MemoryIndex, field: Field): void {
  if (typeof field === 'string' || field.property === 'parent' || about.properties.has(field.property)) return;
  if (concepts.some((concept) => valuesOf(concept, field).length > 0)) return;
  throw unknownProperty(about.url, field.property);
}

function below({ children }: MemoryIndex, from: number): Set<number> {
  const found = new Set(children[from]);
  for (const n of found) for (const next of children[n]!) found.add(next);
  return found;
}

function hierarchyTest(index: MemoryIndex, formula: Formula & { code: string }): Test {
  const { n } = place(index, formula.code);
  const { parents, ancestors } = index.lineage;
  switch (formula.kind) {
    case 'childOf':
      return inNumbers(new Set(index.children[n]));
    case 'parentOf':
      return inNumbers(new Set(parents[n]));
    case 'leafBelow': {
      const found = below(index, n);
      return inNumbers(new Set([...found].filter((each) => index.children[each]!.length === 0)));
    }
    default: {
      const { kind, self } = formula as Formula & { kind: 'below' | 'above' };
      const found = kind === 'below' ? below(index, n) : new Set(ancestors[n]);
      if (self) found.add(n);
      return inNumbers(found);
    }
  }
}

/** A part of LOINC, by its name in any case. */
function nameTest({ about }: MemoryIndex, field: Field, anyOf: readonly string[]): Test {
  const system = { url: about.url, about: about.resource };
  if (typeof field === 'string' || !mayBeNames(system, field.property, anyOf)) return () => false;
  const names = new Set(anyOf.map(foldCode));
  return ({ properties }) =>
    properties.some(({ code, display, value }) => code === field.property && names.has(foldCode(display ?? value)));
}

/** Regular expressions are worked out beforehand, over all values that there are. */
async function valueTest(
  db: Queryable,
  index: MemoryIndex,
  formula: Formula & { kind: 'value' | 'regex' | 'exists' },
): Promise<Test> {
  const { field } = formula;
  assertProperty(index, field);
  if (formula.kind === 'regex') {
    const all = new Set(index.concepts.flatMap((concept) => valuesOf(concept, field)));
    const fitting = await matching(db, formula.pattern, [...all]);
    return (concept) => valuesOf(concept, field).some((value) => fitting.has(value));
  }
  if (formula.kind === 'value') {
    const wanted = new Set(formula.anyOf);
    const isNamed = nameTest(index, field, formula.anyOf);
    return (concept) => valuesOf(concept, field).some((value) => wanted.has(value)) || isNamed(concept);
  }
  if (typeof field === 'object' && field.property === 'parent') {
    return ({ n }) => index.lineage.parents[n]!.length > 0;
  }
  return (concept) => valuesOf(concept, field).length > 0;
}

async function testOf(db: Queryable, index: MemoryIndex, formula: Formula): Promise<Test> {
  switch (formula.kind) {
    case 'all':
      return () => true;
    case 'none':
      return () => false;
    case 'inactive':
      return ({ inactive }) => inactive;
    case 'abstract':
      return ({ abstract }) => abstract;
    case 'codes': {
      const found = [...formula.codes].map((code) => index.find(code)?.n).filter((n) => n !== undefined);
      return inNumbers(new Set(found));
    }
    case 'not': {
      const test = await testOf(db, index, formula.of);
      return (concept) => !test(concept);
    }
    case 'and':
    case 'or': {
      const tests: Test[] = [];
      // One after the other: a hundred regular expressions at once would hold all connections.
      for (const part of formula.of) tests.push(await testOf(db, index, part));
      return formula.kind === 'and'
        ? (concept) => tests.every((test) => test(concept))
        : (concept) => tests.some((test) => test(concept));
    }
    case 'member':
    case 'ecl':
      throw new CerebraError(
        'unsupported',
        `${index.about.url}: only loaded releases are asked by reference set or ECL`,
      );
    case 'value':
    case 'regex':
    case 'exists':
      return valueTest(db, index, formula);
    default:
      return hierarchyTest(index, formula);
  }
}

const words = new WeakMap<MemoryConcept, string[]>();

/** Folded words of code, display and designations. */
function wordsOfConcept(concept: MemoryConcept): string[] {
  let known = words.get(concept);
  if (!known) {
    const texts = [concept.code, concept.display ?? '', ...concept.designations.map(({ value }) => value)];
    known = wordsOf(texts.join(' '));
    words.set(concept, known);
  }
  return known;
}

const hasWords = (concept: MemoryConcept, wanted: readonly string[]): boolean => {
  if (wanted.length === 0) return true;
  const own = wordsOfConcept(concept);
  return wanted.every((start) => own.some((word) => word.startsWith(start)));
};

export async function selectInMemory(db: Queryable, index: MemoryIndex, selection: Selection): Promise<Selected> {
  const { where, words: wanted, offset, count } = selection;
  const test = await testOf(db, index, where);
  const all = index.concepts.filter((concept) => test(concept) && hasWords(concept, wanted));
  return { concepts: all.slice(offset, offset + count), total: all.length };
}

/** Concepts of the index itself. */
export async function testInMemory(
  db: Queryable,
  index: MemoryIndex,
  where: Formula,
  concepts: readonly Concept[],
): Promise<boolean[]> {
  const test = await testOf(db, index, where);
  return concepts.map(({ n }) => test(index.concepts[n]!));
}
