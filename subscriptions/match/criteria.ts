// Subscription.criteria: https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.criteria
import { assertMatchable, compileExtractor, matches, parseSearch, type Resource, type SearchQuery } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { RegistrationRules } from '../registration.ts';
import { paramsOf } from './params.ts';

export interface Criteria {
  /** What is decided on one resource alone, in memory. */
  query: SearchQuery;
  /** The rest, as a search string without the type, for the database: chains, `_has`, value sets …; '' for none. */
  stored: string;
}

export type CriteriaRules = Pick<RegistrationRules, 'parameters' | 'resourceTypes' | 'baseUrl'>;

const criteriaCharactersMax = 8_192;

/** `Type?name=value&…` taken apart. Throws CerebraError saying what can't be a criterion. */
export function parseCriteria(criteria: string, rules: CriteriaRules): Criteria {
  if (criteria.length > criteriaCharactersMax) {
    throw new CerebraError('too-large', `Subscription.criteria is longer than ${criteriaCharactersMax} characters`);
  }
  const [type = '', ...rest] = criteria.replace(/^\//, '').split('?');
  if (!rules.resourceTypes.includes(type)) {
    throw new CerebraError('invalid', 'Subscription.criteria must begin with a resource type', {
      expression: ['Subscription.criteria'],
    });
  }
  const pairs = [...new URLSearchParams(rest.join('?'))] as [string, string][];
  const parse = (some: [string, string][]): SearchQuery =>
    parseSearch(type, some, { ...rules, strict: true, countDefault: 1, countMax: 1 });
  const whole = parse(pairs);
  const [include] = whole.includes;
  if (include) {
    throw new CerebraError('unsupported', `${include.reverse ? '_revinclude' : '_include'} is no criterion`);
  }
  // A change is one of the resource that contains others.
  if (whole.contained ?? whole.containedAlone) throw new CerebraError('unsupported', '_contained is no criterion');
  if (isMatchable(whole)) return { query: whole, stored: '' };
  // A named query's parameters mean nothing without it.
  const isNamed = pairs.some(([name]) => name === '_query');
  const isStored = (pair: [string, string]) => isNamed || !isMatchable(parse([pair]));
  return {
    query: parse(pairs.filter((pair) => !isStored(pair))),
    stored: new URLSearchParams(pairs.filter(isStored)).toString(),
  };
}

export type Test = (resource: Resource) => boolean;

/** Whether one resource meets what `parseCriteria` says is decided on it alone. */
export function testOf(query: SearchQuery, { baseUrl }: Pick<CriteriaRules, 'baseUrl'>): Test {
  const extract = compileExtractor([...paramsOf(query)], { baseUrl });
  return (resource) => matches(query, extract(resource), resource);
}

function isMatchable(query: SearchQuery): boolean {
  try {
    assertMatchable(query);
    return true;
  } catch (error) {
    if (isCerebraError(error, 'unsupported')) return false;
    throw error;
  }
}
