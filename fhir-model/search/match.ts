// A search evaluated on one resource in memory: https://hl7.org/fhir/R4/search.html#prefix, #string, #token, #missing
// It says the same of a resource as the SQL search does of its index rows.
import { CerebraError } from '#platform';
import type { Resource } from '../types.ts';
import { parseDateRange } from './dates.ts';
import { matchesFilterTest } from './match-filter.ts';
import { matchesFolded, matchesValue } from './match-values.ts';
import { matchesWords } from './text-query.ts';
import type { Composite, Criterion, IndexValue, SearchParam, SearchQuery, SearchValue } from './types.ts';
import { contentWords } from './words.ts';

/** One resource and its index values. `nowMs` is for `ap` on dates. */
interface Subject {
  resource: Resource;
  values: readonly IndexValue[];
  nowMs: number | undefined;
}

const ofParam = ({ values }: Subject, param: SearchParam): IndexValue[] =>
  values.filter((value) => value.param.key === param.key);

/** What the resource has of a composite parameter on elements below its root. */
const onElements = (subject: Subject, param: SearchParam): (IndexValue & { kind: 'composite' })[] =>
  ofParam(subject, param.composite?.withinAs ?? param).filter((value) => value.kind === 'composite');

function matchesComposite(subject: Subject, param: SearchParam, wanted: readonly SearchValue[]): boolean {
  const { parts, root } = param.composite as Composite;
  const matchesAny = (values: readonly IndexValue[], i: number) =>
    values.some((value) => matchesValue(value, wanted[i] as SearchValue, undefined, subject.nowMs));
  const matchesPart = (values: readonly IndexValue[], i: number) => {
    const part = wanted[i] as SearchValue;
    return part.kind === 'token' ? values.some((value) => matchesFolded(value, part)) : matchesAny(values, i);
  };
  if (root?.every((part, i) => matchesAny(ofParam(subject, part), i))) return true;
  return onElements(subject, param).some((element) =>
    element.parts.every((values, i) =>
      values ? matchesPart(values, i) : matchesAny(ofParam(subject, parts[i] as SearchParam), i),
    ),
  );
}

/** For `:missing`. Texts and types stand beside other values. */
function isPresent(subject: Subject, param: SearchParam): boolean {
  const { composite } = param;
  if (composite === undefined) return ofParam(subject, param).some(({ kind }) => kind !== 'text' && kind !== 'typed');
  if (composite.root?.every((part) => isPresent(subject, part))) return true;
  const onResource = composite.parts.filter((_, i) => composite.within?.parts[i] === undefined);
  return onElements(subject, param).length > 0 && onResource.every((part) => isPresent(subject, part));
}

function matchesAnyValue(subject: Subject, { param, modifier, filter, values }: Criterion): boolean {
  if (param.special === 'content') {
    const words = contentWords(subject.resource);
    return values.some((wanted) => wanted.kind === 'words' && matchesWords(wanted.query, words));
  }
  if (param.type === 'composite') {
    return values.some((wanted) => wanted.kind === 'composite' && matchesComposite(subject, param, wanted.parts));
  }
  const meets = (value: IndexValue, wanted: SearchValue): boolean =>
    filter ? matchesFilterTest(filter, value, wanted) : matchesValue(value, wanted, modifier, subject.nowMs);
  return ofParam(subject, param).some((value) => values.some((wanted) => meets(value, wanted)));
}

function matchesLogic(subject: Subject, { op, criteria }: NonNullable<Criterion['logic']>): boolean {
  if (op === 'or') return criteria.some((each) => matchesCriterion(subject, each));
  return criteria.every((each) => matchesCriterion(subject, each)) === (op === 'and');
}

function matchesCriterion(subject: Subject, criterion: Criterion): boolean {
  if (criterion.logic) return matchesLogic(subject, criterion.logic);
  const [first] = criterion.values;
  if (first?.kind === 'missing') return first.missing !== isPresent(subject, criterion.param);
  return matchesAnyValue(subject, criterion) !== (criterion.modifier === 'not');
}

/** The moment of the change; a contained resource has none of its own. */
function changedMs({ meta }: Resource): number | undefined {
  const updated = meta?.lastUpdated;
  return typeof updated === 'string' ? parseDateRange(updated)?.lo : undefined;
}

/**
 * Whether the resource matches all criteria; result parameters count for nothing. `values` is what the extractor of the
 * query's type yields for it, at least for the parameters of the criteria. The query must be one that assertMatchable
 * accepts. "Now", for `ap` on dates, is `meta.lastUpdated`, the moment of the change, unless it is given.
 */
export function matches(
  query: SearchQuery,
  values: readonly IndexValue[],
  resource: Resource,
  nowMs = changedMs(resource),
): boolean {
  if (resource.resourceType !== query.type) return false;
  return query.criteria.every((criterion) => matchesCriterion({ resource, values, nowMs }, criterion));
}

/** What of a criterion needs other resources: joins, value sets, code systems, the resources above and below one. */
function needed({ param, modifier, chain, has, logic, compartment }: Criterion): string | undefined {
  if (logic) return logic.criteria.map(needed).find((need) => need !== undefined);
  if (chain ?? has ?? compartment) return 'a parameter that looks at other resources';
  const isHierarchical = (modifier === 'above' || modifier === 'below') && param.type !== 'uri';
  return modifier === 'in' || modifier === 'not-in' || isHierarchical ? `the modifier :${modifier}` : undefined;
}

/** Throws CerebraError `unsupported` for what one resource alone cannot answer: chains, includes, value sets, hierarchies. */
export function assertMatchable(query: SearchQuery): void {
  for (const criterion of query.criteria) {
    const need = needed(criterion);
    if (need !== undefined) throw unmatchable(criterion.name, need);
  }
  const [include] = query.includes;
  if (include !== undefined) throw unmatchable(include.reverse ? '_revinclude' : '_include', 'an include');
}

const unmatchable = (name: string, what: string): CerebraError =>
  new CerebraError('unsupported', `${what} (${name}) can't be matched on one resource in memory`, {
    expression: [name],
  });
