// What a _filter asks, as criteria: https://hl7.org/fhir/R4/search_filter.html#ops
import { escapeValue } from './escapes.ts';
import {
  alternatives,
  criterionOn,
  furtherTrail,
  hasLink,
  type JoinContext,
  joinParam,
  linkTypes,
  newTrail,
  type Trail,
} from './parse-chain.ts';
import { type Filter, type FilterOperator, type FilterStep, parseFilter } from './parse-filter.ts';
import { type ParsedName, parseName } from './parse-name.ts';
import type { Criterion, FilterTest, SearchParam, SearchParamType } from './types.ts';
import { parameterError, quote } from './value-context.ts';

const NAME = '_filter';

type Test = Filter & { kind: 'test' };

const invalid = (diagnostics: string): Error => parameterError('invalid-parameter', NAME, diagnostics);

const logic = (type: string, op: 'and' | 'or' | 'not', criteria: Criterion[]): Criterion => ({
  ...{ name: NAME, param: joinParam(type, NAME), values: [] },
  logic: { op, criteria },
});

/** https://hl7.org/fhir/R4/search_filter.html: these stand for their systems. */
const NAMESPACES: Record<string, string> = {
  loinc: 'http://loinc.org',
  snomed: 'http://snomed.info/sct',
  rxnorm: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  ucum: 'http://unitsofmeasure.org',
};

/** The value as the parameter's own syntax has it: a comma is no OR here, and in text nothing separates. */
function valueText({ type }: SearchParam, value: string): string {
  if (type === 'string' || type === 'uri' || type === 'reference') return escapeValue(value);
  const text = value.replace(/\\.|,/gs, (found) => (found === ',' ? '\\,' : found));
  return text.replace(
    /(^|\|)(loinc|snomed|rxnorm|ucum)(?=\|)/,
    (_, before: string, name: string) => before + (NAMESPACES[name] ?? name),
  );
}

type Make = (param: SearchParam, value: string) => Criterion;
type Operators = Partial<Record<FilterOperator, Make>>;

function plain(context: JoinContext, param: SearchParam, value: string, modifier?: string): Criterion {
  const parsed: ParsedName = { name: NAME, code: param.code, modifier, chained: undefined };
  return context.plain(parsed, value, param);
}

/** Which operators a parameter of that type has, and what each asks. */
function operatorsOf(context: JoinContext, type: string): Partial<Record<SearchParamType, Operators>> {
  const withModifier =
    (modifier?: string): Make =>
    (param, value) =>
      plain(context, param, valueText(param, value), modifier);
  const withPrefix =
    (prefix: string): Make =>
    (param, value) =>
      plain(context, param, prefix + valueText(param, value));
  const withTest =
    (filter: FilterTest): Make =>
    (param, value) => ({ ...plain(context, param, valueText(param, value)), filter });
  const withPrefixes = (...prefixes: FilterOperator[]): Operators =>
    Object.fromEntries(prefixes.map((prefix) => [prefix, withPrefix(prefix)]));
  const withTests = (...tests: FilterTest[]): Operators =>
    Object.fromEntries(tests.map((test) => [test, withTest(test)]));
  /** It has a value, and none is this one. */
  const unequal: Make = (param, value) =>
    logic(type, 'and', [plain(context, param, 'false', 'missing'), logic(type, 'not', [withModifier()(param, value)])]);
  const same: Operators = { eq: withModifier(), ne: unequal };
  const compared = withPrefixes('eq', 'ne', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb');
  return {
    string: {
      ...withTests('eq', 'ne', 'ew', 'gt', 'lt', 'ge', 'le'),
      ...{ co: withModifier('contains'), sw: withModifier() },
    },
    number: { ...compared, ...withTests('co') },
    date: { ...compared, ...withTests('co', 'po') },
    quantity: compared,
    token: {
      ...same,
      // The value subsumes a concept of the resource: that lies below it.
      ...{ ss: withModifier('below'), sb: withModifier('above'), in: withModifier('in'), ni: withModifier('not-in') },
    },
    reference: { ...same, re: withModifier() },
    uri: { ...same, sw: withModifier('below') },
    composite: same,
    special: { eq: withModifier() },
  };
}

function presentValue({ value }: Test): boolean {
  if (value === 'true' || value === 'false') return value === 'true';
  throw invalid(`pr takes true or false, not ${quote(value)}`);
}

function leaf(context: JoinContext, type: string, parsed: ParsedName, test: Test): Criterion {
  const { operator, value } = test;
  const param =
    context.parameters.get(type, parsed.code) ??
    (parsed.code === 'id' ? context.parameters.get(type, '_id') : undefined);
  if (param === undefined) {
    throw parameterError('unknown-parameter', NAME, `${type} has no search parameter ${quote(parsed.code)}`);
  }
  if (parsed.modifier !== undefined) throw invalid(`${quote(parsed.code)} takes no modifier in a filter`);
  if (operator === 'pr') return plain(context, param, String(!presentValue(test)), 'missing');
  const operators = operatorsOf(context, type)[param.type] ?? {};
  const make = operators[operator];
  if (make) return make(param, value);
  const possible = [...Object.keys(operators), 'pr'].join(', ');
  throw invalid(`${operator} is not possible with ${param.code}, a ${param.type} parameter; ${possible} are`);
}

/** What is asked of the resource at the end of the link: the rest of the path, and what stands in the brackets. */
function beyond(context: JoinContext, type: string, step: FilterStep, test: Test, trail: Trail): Criterion {
  const rest = testOn(context, type, test, trail);
  return step.filter ? logic(type, 'and', [criterionFor(context, type, step.filter, trail), rest]) : rest;
}

function linkOn(context: JoinContext, type: string, step: FilterStep, test: Test, trail: Trail): Criterion {
  if (step.name.startsWith('_has:')) {
    const link = hasLink(context, type, { text: step.name, name: NAME });
    const criterion = beyond(context, link.type, step, test, furtherTrail(trail, NAME));
    return { name: NAME, param: joinParam(type, '_has'), values: [], has: { ...link, criterion } };
  }
  const { code, modifier } = parsedStep(step);
  const param = context.parameters.get(type, code);
  if (param === undefined) {
    throw parameterError('unknown-parameter', NAME, `${type} has no search parameter ${quote(code)}`);
  }
  const chain = alternatives(NAME, linkTypes(context, NAME, param, modifier), (target) =>
    beyond(context, target, step, test, furtherTrail(trail, NAME)),
  );
  return { name: NAME, param, values: [], chain };
}

function parsedStep({ name }: FilterStep): ParsedName {
  const parsed = parseName(name, NAME);
  if (parsed === undefined) throw invalid(`${quote(name)} is no parameter name`);
  return parsed;
}

function testOn(context: JoinContext, type: string, test: Test, trail: Trail): Criterion {
  const [step, ...rest] = test.path;
  if (step === undefined) throw invalid('a test needs a parameter');
  if (rest.length > 0) return linkOn(context, type, step, { ...test, path: rest }, trail);
  if (step.name === '_list') {
    if (test.operator !== 'eq') throw invalid(`${test.operator} is not possible with _list; eq is`);
    return criterionOn(context, type, { text: '_list', name: NAME }, test.value, trail);
  }
  return leaf(context, type, parsedStep(step), test);
}

/** Asked of the set of all values that the path leads to: empty, or without one in the value set. */
function ofWholeSet(context: JoinContext, type: string, test: Test, trail: Trail): Criterion | undefined {
  if (test.path.length === 1) return undefined;
  if (test.operator === 'ni') return logic(type, 'not', [testOn(context, type, { ...test, operator: 'in' }, trail)]);
  if (test.operator !== 'pr' || presentValue(test)) return undefined;
  return logic(type, 'not', [testOn(context, type, { ...test, value: 'true' }, trail)]);
}

function criterionFor(context: JoinContext, type: string, filter: Filter, trail: Trail): Criterion {
  if (filter.kind === 'test') return ofWholeSet(context, type, filter, trail) ?? testOn(context, type, filter, trail);
  if (filter.kind === 'not') return logic(type, 'not', [criterionFor(context, type, filter.filter, trail)]);
  const criteria = filter.filters.map((each) => criterionFor(context, type, each, trail));
  return logic(type, filter.kind, criteria);
}

/** The criteria of a `_filter`: those that `and` joins at the top stand beside each other. */
export function filterCriteria(context: JoinContext, type: string, text: string): Criterion[] {
  const criterion = criterionFor(context, type, parseFilter(text), newTrail(context));
  return criterion.logic?.op === 'and' ? criterion.logic.criteria : [criterion];
}
