// Named queries, `_query=…`: https://hl7.org/fhir/R4/search.html#query
import { criterionOn, hasLink, type JoinContext, joinParam, newTrail } from './parse-chain.ts';
import type { Criterion, SearchParamType } from './types.ts';
import { parameterError, quote } from './value-context.ts';

type Pairs = readonly (readonly [name: string, value: string])[];

/** A named query as data: what it asks, and what it can be told beside the parameters of its type. */
export interface NamedQuery {
  /** Unique among those of its type. */
  name: string;
  resourceType: string;
  title: string;
  description: string;
  /** Criteria on the resource itself. */
  search: Pairs;
  /** One resource of that type that refers to it by the parameter and meets all of these. */
  has?: { type: string; param: string; search: Pairs };
  /** Asked, where given, of the resource that refers to it; named as the parameter of that. None may be one of the type's own. */
  parameters: readonly { name: string; type: SearchParamType; documentation: string }[];
}

const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

export const namedQueries: readonly NamedQuery[] = [
  {
    name: 'current-inpatients',
    resourceType: 'Patient',
    title: 'Patients in hospital',
    description:
      'Patients with an inpatient Encounter (class IMP, ACUTE or NONAC) that is in progress, or on leave from one; with `location`, at that Location.',
    search: [],
    has: {
      type: 'Encounter',
      param: 'subject',
      search: [
        ['status', 'in-progress,onleave'],
        ['class', `${ACT_CODE}|IMP,${ACT_CODE}|ACUTE,${ACT_CODE}|NONAC`],
      ],
    },
    parameters: [
      { name: 'location', type: 'reference', documentation: 'A Location of the Encounter, as Encounter.location' },
      { name: 'service-provider', type: 'reference', documentation: 'The organization responsible for the Encounter' },
    ],
  },
  {
    name: 'open-problems',
    resourceType: 'Condition',
    title: 'Open problems',
    description: 'Conditions that are active, recurring or relapsed, and neither refuted nor entered in error.',
    search: [
      ['clinical-status', 'active,recurrence,relapse'],
      ['verification-status:not', 'refuted,entered-in-error'],
    ],
    parameters: [],
  },
];

/** The named query of that name on the type. Throws `unsupported`, telling the names there are. */
export function namedQuery(type: string, name: string): NamedQuery {
  const found = namedQueries.find((query) => query.name === name && query.resourceType === type);
  if (found) return found;
  const known = namedQueries.filter((query) => query.resourceType === type).map((query) => query.name);
  const text = known.length > 0 ? `those of ${type} are ${known.join(', ')}` : `${type} has none`;
  throw parameterError('unsupported', '_query', `there is no named query ${quote(name)}; ${text}`);
}

/** What the named query asks; `given` are the pairs of its own parameters. */
export function namedCriteria(context: JoinContext, query: NamedQuery, given: Pairs): Criterion[] {
  const { resourceType, search, has } = query;
  const on = (type: string, pairs: Pairs): Criterion[] =>
    pairs.map(([name, value]) => criterionOn(context, type, { text: name, name }, value, newTrail(context)));
  const own = on(resourceType, search);
  if (has === undefined) return own;
  const link = hasLink(context, resourceType, { text: `_has:${has.type}:${has.param}`, name: '_query' });
  const about = { name: '_query', param: joinParam(has.type, '_query'), values: [] };
  const criterion: Criterion = { ...about, logic: { op: 'and', criteria: on(has.type, [...has.search, ...given]) } };
  return [...own, { ...about, param: joinParam(resourceType, '_query'), has: { ...link, criterion } }];
}
