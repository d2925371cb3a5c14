// Value sets over a code system that lists no codes: a rule (UCUM, language tags, media types), or one that only another
// server has. https://hl7.org/fhir/R4/ucum.html#filters
import { CerebraError } from '#platform';
import type { CodeSystem, Concept } from './code-system.ts';
import { foldCode } from './system-codes.ts';
import type { Formula } from './value-set-formula.ts';
import { unknownProperty } from './value-set-memory.ts';
import type { Selected, Selection } from './value-set-select.ts';

const unlisted = ({ about }: CodeSystem): CerebraError =>
  new CerebraError(
    'too-costly',
    `The codes of '${about.url}' are made by rules: there is no end of them to list. Value sets of it are expanded where they name the codes`,
  );

const unfit = ({ about }: CodeSystem, { kind }: Formula): CerebraError =>
  new CerebraError(
    'unsupported',
    `The codes of '${about.url}' are not listed here: the test '${kind}' of a filter can't be made of them`,
  );

function hasValue(system: CodeSystem, formula: Formula & { kind: 'value' | 'exists' }, concept: Concept): boolean {
  const { field } = formula;
  if (typeof field === 'string') {
    const own = concept[field];
    return own !== undefined && (formula.kind === 'exists' || formula.anyOf.includes(own));
  }
  if (!system.grammar) throw unfit(system, formula);
  const test = system.grammar.properties?.get(field.property);
  if (!test) throw unknownProperty(system.about.url, field.property);
  return formula.kind === 'exists' || formula.anyOf.map((value) => test(concept.code, value)).includes(true);
}

/** Lists don't change. Folded for each code anew, 20,000 codes against 20,000 that are excluded took 70 seconds. */
const foldedLists = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();

function foldedOf(codes: ReadonlySet<string>): ReadonlySet<string> {
  const known = foldedLists.get(codes);
  if (known) return known;
  const folded = new Set(codes.values().map(foldCode));
  foldedLists.set(codes, folded);
  return folded;
}

/** A language tag, a media type: `en-us` is what a list has as `en-US`. */
const isAmong = ({ about }: CodeSystem, codes: ReadonlySet<string>, code: string): boolean =>
  codes.has(code) || (!about.caseSensitive && foldedOf(codes).has(foldCode(code)));

/** Every part is looked at, so that a filter that is wrong is told whatever the others say. */
export function testByRule(system: CodeSystem, formula: Formula, concept: Concept): boolean {
  switch (formula.kind) {
    case 'all':
      return true;
    case 'none':
      return false;
    case 'inactive':
    case 'abstract':
      return concept[formula.kind];
    case 'codes':
      return isAmong(system, formula.codes, concept.code);
    case 'and':
      return formula.of.map((part) => testByRule(system, part, concept)).every(Boolean);
    case 'or':
      return formula.of.map((part) => testByRule(system, part, concept)).some(Boolean);
    case 'not':
      return !testByRule(system, formula.of, concept);
    case 'value':
    case 'exists':
      return hasValue(system, formula, concept);
    default:
      throw unfit(system, formula);
  }
}

/** All codes that can fulfil the formula, where it names them. */
function named(formula: Formula): ReadonlySet<string> | undefined {
  switch (formula.kind) {
    case 'none':
      return new Set();
    case 'codes':
      return formula.codes;
    case 'or': {
      const parts = formula.of.map(named);
      return parts.every((part) => part !== undefined) ? new Set(parts.flatMap((part) => [...part])) : undefined;
    }
    case 'and':
      return formula.of.map(named).find((part) => part !== undefined);
    default:
      return undefined;
  }
}

export async function selectByRule(system: CodeSystem, { where, words, offset, count }: Selection): Promise<Selected> {
  const codes = named(where);
  if (codes === undefined) throw unlisted(system);
  const found = await Promise.all([...codes].map((code) => system.concept(code)));
  const fitting = found.filter(
    (concept) =>
      concept !== undefined &&
      testByRule(system, where, concept) &&
      words.every((word) => `${concept.code} ${concept.display ?? ''}`.toLowerCase().includes(word)),
  ) as Concept[];
  return { concepts: fitting.slice(offset, offset + count), total: fitting.length };
}
