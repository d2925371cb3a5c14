// Which concepts of a code system belong to a value set, as a formula over one concept. It is evaluated in memory or turned
// into SQL. https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/valueset-filter-operator.html
import { CerebraError } from '#platform';
import { refuse } from './tx-issues.ts';
import type { ConceptFilter, ConceptSet, ValueSetDefinition } from './value-set-definition.ts';

/** What a filter looks at: a property, or what every concept has. */
export type Field = 'code' | 'display' | 'definition' | 'status' | { property: string };

export type Formula =
  | { kind: 'all' | 'none' | 'inactive' | 'abstract' }
  | { kind: 'codes'; codes: ReadonlySet<string> }
  /** Below or above the code; `self`: it too. */
  | { kind: 'below' | 'above'; code: string; self: boolean }
  /** Directly below or above the code. */
  | { kind: 'childOf' | 'parentOf'; code: string }
  /** Below the code, and nothing below them. */
  | { kind: 'leafBelow'; code: string }
  | { kind: 'value'; field: Field; anyOf: readonly string[] }
  | { kind: 'regex'; field: Field; pattern: string }
  | { kind: 'exists'; field: Field }
  | { kind: 'member'; of: string }
  | { kind: 'ecl'; expression: string }
  | { kind: 'and' | 'or'; of: readonly Formula[] }
  | { kind: 'not'; of: Formula };

export const ALL: Formula = { kind: 'all' };
export const NONE: Formula = { kind: 'none' };
export const ACTIVE: Formula = { kind: 'not', of: { kind: 'inactive' } };

export function and(parts: readonly Formula[]): Formula {
  const flat = parts.flatMap((part) => (part.kind === 'and' ? part.of : [part])).filter((part) => part.kind !== 'all');
  if (flat.some((part) => part.kind === 'none')) return NONE;
  if (flat.length === 0) return ALL;
  return flat.length === 1 ? flat[0]! : { kind: 'and', of: flat };
}

export function or(parts: readonly Formula[]): Formula {
  const flat = parts.flatMap((part) => (part.kind === 'or' ? part.of : [part])).filter((part) => part.kind !== 'none');
  if (flat.some((part) => part.kind === 'all')) return ALL;
  const merged = mergeCodes(flat);
  if (merged.length === 0) return NONE;
  return merged.length === 1 ? merged[0]! : { kind: 'or', of: merged };
}

/** Value sets that have an include for each code are no longer formulas than others. */
function mergeCodes(parts: Formula[]): Formula[] {
  const lists = parts.filter((part) => part.kind === 'codes');
  if (lists.length < 2) return parts;
  const codes = new Set(lists.flatMap((part) => [...part.codes]));
  return [{ kind: 'codes', codes }, ...parts.filter((part) => part.kind !== 'codes')];
}

export function not(part: Formula): Formula {
  if (part.kind === 'not') return part.of;
  if (part.kind === 'all') return NONE;
  return part.kind === 'none' ? ALL : { kind: 'not', of: part };
}

/** As it is of codes of which nobody here can tell whether they are active: the value set names them, so they are. */
export function takenAsActive(formula: Formula): Formula {
  if (formula === ACTIVE) return ALL;
  if (formula.kind === 'and') return and(formula.of.map(takenAsActive));
  if (formula.kind === 'or') return or(formula.of.map(takenAsActive));
  // What an excluded value set names.
  return formula.kind === 'not' ? not(takenAsActive(formula.of)) : formula;
}

export const SNOMED = 'http://snomed.info/sct';

const FIELDS: Record<string, Field> = { concept: 'code', code: 'code', display: 'display', definition: 'definition' };

const fieldOf = (property: string): Field => (Object.hasOwn(FIELDS, property) ? FIELDS[property]! : { property });

const listed = (value: string): string[] => value.split(',').map((each) => each.trim());

/** Properties that a system need not have as such, being about what every concept has. */
function standing(property: string, values: readonly string[], system: string): Formula | undefined {
  const flag = (formula: Formula): Formula =>
    or([values.includes('true') ? formula : NONE, values.includes('false') ? not(formula) : NONE]);
  const each = (make: (code: string) => Formula): Formula => or(values.map(make));
  switch (property) {
    case 'inactive':
      return flag({ kind: 'inactive' });
    case 'notSelectable':
    case 'abstract':
      return flag({ kind: 'abstract' });
    case 'status':
      return { kind: 'value', field: 'status', anyOf: values };
    case 'parent':
      return each((code) => ({ kind: 'childOf', code }));
    case 'child':
      return each((code) => ({ kind: 'parentOf', code }));
    case 'ancestor':
      return each((code) => ({ kind: 'below', code, self: false }));
    case 'descendant':
      return each((code) => ({ kind: 'above', code, self: false }));
    case 'constraint':
    case 'expression':
      return system === SNOMED ? each((expression) => ({ kind: 'ecl', expression })) : undefined;
    default:
      return undefined;
  }
}

function equal(property: string, values: readonly string[], system: string): Formula {
  const special = standing(property, values, system);
  if (special) return special;
  const field = fieldOf(property);
  return field === 'code' ? { kind: 'codes', codes: new Set(values) } : { kind: 'value', field, anyOf: values };
}

/** `concept in 447562003`: members of a reference set. https://hl7.org/fhir/R4/snomedct.html#filters */
function inList(filter: ConceptFilter, value: string, system: string): Formula {
  if (system === SNOMED && filter.property === 'concept')
    return or(listed(value).map((of) => ({ kind: 'member', of })));
  return equal(filter.property, listed(value), system);
}

function isThere(property: string): Formula {
  if (property === 'parent') return { kind: 'exists', field: { property: 'parent' } };
  const field: Field = property === 'status' ? 'status' : fieldOf(property);
  return field === 'code' ? ALL : { kind: 'exists', field };
}

const MAKERS: Record<string, (filter: ConceptFilter, value: string, system: string) => Formula> = {
  // ECL holds commas of its own: not a list.
  '=': ({ property }, value, system) => equal(property, [value], system),
  'is-a': (_, code) => ({ kind: 'below', code, self: true }),
  'descendent-of': (_, code) => ({ kind: 'below', code, self: false }),
  'is-not-a': (_, code) => not({ kind: 'below', code, self: true }),
  generalizes: (_, code) => ({ kind: 'above', code, self: true }),
  'child-of': (_, code) => ({ kind: 'childOf', code }),
  'descendent-leaf': (_, code) => ({ kind: 'leafBelow', code }),
  in: (filter, value, system) => inList(filter, value, system),
  'not-in': (filter, value, system) => not(inList(filter, value, system)),
  regex: ({ property }, pattern) => ({ kind: 'regex', field: fieldOf(property), pattern }),
  exists: ({ property }, value) => (value === 'false' ? not(isThere(property)) : isThere(property)),
};

function filterFormula(filter: ConceptFilter, system: string): Formula {
  const { property, op, value, at } = filter;
  if (value === undefined) {
    const text = `The system ${system} filter with property = ${property}, op = ${op} has no value`;
    throw refuse('invalid', {
      ...{ code: 'invalid', type: 'vs-invalid', messageId: 'UNABLE_TO_HANDLE_SYSTEM_FILTER_WITH_NO_VALUE' },
      ...{ text, expression: at },
    });
  }
  const make = Object.hasOwn(MAKERS, op) ? MAKERS[op] : undefined;
  if (make === undefined) {
    const known = Object.keys(MAKERS).join(', ');
    throw new CerebraError('unsupported', `The filter operator '${op.slice(0, 40)}' is none of ${known}`, {
      expression: [`${at}.op`],
    });
  }
  return make(filter, value, system);
}

/** A value set with those that it imports. */
export interface Composition {
  definition: ValueSetDefinition;
  include: Part[];
  exclude: Part[];
}

export interface Part {
  set: ConceptSet;
  imports: Composition[];
}

/** A code system as the parts of value sets name it: without version it is whichever is used otherwise. */
export interface SystemName {
  url: string;
  version?: string | undefined;
}

const isOf = (set: ConceptSet, { url, version }: SystemName): boolean =>
  set.system === url && (set.version === undefined || version === undefined || set.version === version);

function partFormula({ set, imports }: Part, system: SystemName): Formula {
  if (set.system !== undefined && !isOf(set, system)) return NONE;
  if (set.system === undefined && imports.length === 0) return NONE;
  const codes = set.concepts.map(({ code }) => code);
  const own: Formula[] = codes.length > 0 ? [{ kind: 'codes', codes: new Set(codes) }] : [];
  const filters = set.filters.map((filter) => filterFormula(filter, system.url));
  return and([...own, ...filters, ...imports.map((each) => formulaOf(each, system))]);
}

const formulas = new WeakMap<Composition, Map<string, Formula>>();

/**
 * What a concept of that system must fulfil to belong to the value set; the same object for the same composition. Throws `unsupported` for an operator that is none,
 * `invalid` for a filter without value, `too-costly` for more than 1,000 tests.
 */
export function formulaOf(composition: Composition, system: SystemName): Formula {
  const known = formulas.get(composition) ?? new Map<string, Formula>();
  formulas.set(composition, known);
  const key = `${system.url}|${system.version ?? ''}`;
  const formula = known.get(key) ?? bounded(makeFormula(composition, system), composition);
  known.set(key, formula);
  return formula;
}

/** Each is a part of an SQL statement, which has 65,535 parameters at most. */
const TESTS_MAX = 1_000;

function testsOf(formula: Formula): number {
  if (formula.kind === 'not') return testsOf(formula.of);
  if (formula.kind !== 'and' && formula.kind !== 'or') return 1;
  return formula.of.reduce((sum, part) => sum + testsOf(part), 0);
}

function bounded(formula: Formula, { definition }: Composition): Formula {
  if (testsOf(formula) <= TESTS_MAX) return formula;
  const text = `The value set '${definition.name}' is made of more than ${TESTS_MAX} filters of one system, those of its imports included`;
  throw refuse('too-costly', { code: 'too-costly', type: 'too-costly', messageId: 'VALUESET_TOO_COSTLY', text });
}

function makeFormula({ definition, include, exclude }: Composition, system: SystemName): Formula {
  const included = or(include.map((part) => partFormula(part, system)));
  if (included === NONE) return NONE;
  const excluded = or(exclude.map((part) => partFormula(part, system)));
  return and([included, not(excluded), definition.inactive === false ? ACTIVE : ALL]);
}

/** Each is looked up: with 10,000 a request took 23 s. */
const SYSTEMS_MAX = 1_000;

/** The systems that a value set takes concepts of, in the order of their first mention. Throws `too-costly`. */
export function systemsOf(composition: Composition): SystemName[] {
  const found = new Map<string, SystemName>();
  for (const { set, imports } of composition.include) {
    const { system: url, version } = set;
    const named = url === undefined ? imports.slice(0, 1).flatMap(systemsOf) : [{ url, version }];
    for (const name of named) found.set(`${name.url}|${name.version ?? ''}`, name);
  }
  if (found.size <= SYSTEMS_MAX) return [...found.values()];
  const text = `The value set '${composition.definition.name}' is made of more than ${SYSTEMS_MAX} code systems, those of its imports included`;
  throw refuse('too-costly', { code: 'too-costly', type: 'too-costly', messageId: 'VALUESET_TOO_COSTLY', text });
}

/** The properties that a formula looks at. */
export function propertiesOf(formula: Formula): string[] {
  switch (formula.kind) {
    case 'value':
    case 'regex':
    case 'exists':
      return typeof formula.field === 'string' ? [] : [formula.field.property];
    case 'and':
    case 'or':
      return formula.of.flatMap(propertiesOf);
    case 'not':
      return propertiesOf(formula.of);
    default:
      return [];
  }
}

/** Whether the formula can't be told by code alone, without the system's concepts. */
export function needsConcepts(formula: Formula): boolean {
  switch (formula.kind) {
    case 'all':
    case 'none':
    case 'codes':
      return false;
    case 'and':
    case 'or':
      return formula.of.some(needsConcepts);
    case 'not':
      return needsConcepts(formula.of);
    default:
      return true;
  }
}

/** The codes that a formula names as places in the hierarchy: they must be there. */
export function anchorsOf(formula: Formula): string[] {
  switch (formula.kind) {
    case 'below':
    case 'above':
    case 'childOf':
    case 'parentOf':
    case 'leafBelow':
      return [formula.code];
    case 'and':
    case 'or':
      return formula.of.flatMap(anchorsOf);
    case 'not':
      return anchorsOf(formula.of);
    default:
      return [];
  }
}
