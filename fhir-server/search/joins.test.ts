// Criteria on other resources, SQL against memory: random chains, _has, _list, _filter and compartments over random
// resources find what a plain walk through all resources finds, each way they can be run.
// https://hl7.org/fhir/R4/search.html#chaining
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import {
  type Criterion,
  compartmentCriterion,
  type IndexValue,
  matches,
  type Resource,
  type SearchQuery,
} from '#fhir-model';
import type { Db } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { lookUpAll } from './look-up.ts';
import { findPage, type PageContext, type Row, ways, withOrder } from './page.ts';
import { sortKeys } from './sort.ts';
import { countMatches } from './total.ts';

const next = random(20_260_202);
const one = <T>(values: readonly T[]): T => values[next(values.length)]!;
const some = <T>(make: () => T, max: number): T[] => Array.from({ length: next(max + 1) }, make);
const maybe = <T>(make: () => T): T | undefined => (next(3) === 0 ? undefined : make());

const PER_TYPE = 40;
const names = ['Alder', 'alderson', 'Birch', 'Cedar', 'Élan', 'Birch Hill'];
const codes = ['a', 'b', 'c'];
const days = ['2020-01-01', '2020-02', '2021', '2021-06-15T10:00:00Z'];
const reference = (...types: string[]) => ({ reference: `${one(types)}/r${next(PER_TYPE + 4)}` });
const concept = () => ({ coding: [{ system: one(['http://s', 'http://t']), code: one(codes) }] });

const makers: Record<string, () => object> = {
  Organization: () => ({ name: one(names), partOf: maybe(() => reference('Organization')), active: next(2) === 0 }),
  Practitioner: () => ({
    name: [{ family: one(names), given: [one(names)] }],
    birthDate: maybe(() => '1970-01-01'),
  }),
  Patient: () => ({
    active: maybe(() => next(2) === 0),
    gender: maybe(() => one(['male', 'female'])),
    name: some(() => ({ family: one(names) }), 2),
    birthDate: maybe(() => one(['1980-01-01', '1990'])),
    generalPractitioner: some(() => reference('Practitioner', 'Organization'), 2),
    managingOrganization: maybe(() => reference('Organization')),
    link: some(() => ({ other: reference('Patient'), type: 'seealso' }), 1),
  }),
  Group: () => ({
    ...{ type: 'person', actual: true },
    member: some(() => ({ entity: reference('Patient', 'Practitioner') }), 4),
  }),
  Encounter: () => ({
    ...{ status: one(['finished', 'in-progress']), class: { system: 'http://c', code: one(['IMP', 'AMB']) } },
    ...{ subject: maybe(() => reference('Patient', 'Group')), serviceProvider: maybe(() => reference('Organization')) },
    period: maybe(() => ({ start: '2020-01-01', end: one(['2020-01-03', '2021-01-01']) })),
  }),
  Observation: () => ({
    ...{ status: 'final', code: concept(), subject: maybe(() => reference('Patient', 'Group')) },
    encounter: maybe(() => reference('Encounter')),
    performer: some(() => reference('Practitioner', 'Patient', 'Organization'), 2),
    effectiveDateTime: maybe(() => one(days)),
    hasMember: some(() => reference('Observation'), 1),
  }),
  DiagnosticReport: () => ({
    ...{ status: 'final', code: concept(), subject: maybe(() => reference('Patient')) },
    result: some(() => reference('Observation'), 3),
  }),
  List: () => ({
    ...{ status: 'current', mode: 'working' },
    entry: some(() => ({ item: reference('Patient', 'Observation', 'Encounter') }), 4),
  }),
};

const clean = (resource: object): Resource =>
  Object.fromEntries(
    Object.entries(resource).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
    ),
  ) as Resource;

/** Resources by type and id, with the values they are found by. */
const stored = new Map<string, Map<string, { resource: Resource; values: IndexValue[] }>>();
let core: Core;
let page: () => PageContext;

before(async () => {
  const db: Db = await testDatabase();
  core = await testCore(db, { now: () => 1_700_000_000_000 });
  page = () => pageContext(core, { scope: everything, db });
  for (const [type, make] of Object.entries(makers)) {
    const resources = Array.from({ length: PER_TYPE }, (_, i) => ({
      ...clean(make()),
      resourceType: type,
      id: `r${i}`,
    }));
    assert.ok((await createWriter(core).createIfAbsent(resources, { scope: everything })).every(Boolean));
    const kept = resources.map(
      (resource) => [resource.id, { resource, values: core.store.extract(resource) }] as const,
    );
    stored.set(type, new Map(kept));
  }
});

/** What the resource refers to by the parameter, of those that are there. */
function targets(values: readonly IndexValue[], key: number): { type: string; id: string }[] {
  return values.flatMap((value) =>
    value.kind === 'reference' && value.param.key === key && value.type !== undefined
      ? [{ type: value.type, id: value.id ?? '' }]
      : [],
  );
}

function meets(criterion: Criterion, type: string, id: string): boolean {
  const { chain, has, logic, compartment, param } = criterion;
  const found = stored.get(type)?.get(id);
  if (!found) return false;
  if (chain) {
    return targets(found.values, param.key).some((target) =>
      chain.some((link) => link.type === target.type && meets(link.criterion, target.type, target.id)),
    );
  }
  if (has) {
    return [...(stored.get(has.type) ?? [])].some(
      ([source, { values }]) =>
        targets(values, has.param.key).some((target) => target.type === type && target.id === id) &&
        meets(has.criterion, has.type, source),
    );
  }
  if (logic) {
    const results = logic.criteria.map((each) => meets(each, type, id));
    if (logic.op === 'or') return results.some(Boolean);
    return results.every(Boolean) === (logic.op === 'and');
  }
  if (compartment) {
    const refers = (key: number) =>
      targets(found.values, key).some((target) => target.type === compartment.type && target.id === compartment.id);
    return (compartment.self && id === compartment.id) || compartment.params.some(({ key }) => refers(key));
  }
  return matches({ type, criteria: [criterion] } as unknown as SearchQuery, found.values, found.resource);
}

const inMemory = (query: SearchQuery): string[] =>
  [...stored.get(query.type)!.keys()]
    .filter((id) => query.criteria.every((criterion) => meets(criterion, query.type, id)))
    .sort();

const id = () => `r${next(PER_TYPE)}`;
/** By type: ends of chains, `name=value`. */
const leaves: Record<string, (() => string)[]> = {
  Organization: [
    () => `name${one(['', ':exact', ':contains'])}=${one(names)}`,
    () => `active=${next(2) === 0}`,
    () => `_id=${id()}`,
    () => 'partof:missing=false',
  ],
  Practitioner: [() => `family=${one(names)}`, () => `name:contains=${one(['e', 'der'])}`, () => `_id=${id()},${id()}`],
  Patient: [
    () => `gender${one(['', ':not'])}=${one(['male', 'female'])}`,
    () => `family=${one(names)}`,
    () => `birthdate=${one(['lt1985', '1990', 'ge1980-01-01'])}`,
    () => `birthdate:missing=${one(['true', 'false'])}`,
    () => `_id=${id()}`,
    () => `organization=Organization/${id()}`,
    () => `_list=${id()}`,
  ],
  Group: [() => `_id=${id()}`, () => `member=Patient/${id()}`, () => 'type=person'],
  Encounter: [
    () => `status=${one(['finished', 'in-progress'])}`,
    () => `class=${one(['IMP', 'AMB'])}`,
    () => `date=${one(['2020-01-02', 'ge2020-06', 'lt2020-06'])}`,
  ],
  Observation: [
    () => `code${one(['', ':not'])}=${one(['', 'http://s|'])}${one(codes)}`,
    () => `date=${one(['ge2020-06', '2020', 'lt2021'])}`,
    () => `subject=Patient/${id()}`,
    () => `_id=${id()}`,
  ],
  DiagnosticReport: [() => `code=${one(codes)}`, () => `result=Observation/${id()}`],
  List: [() => `_id=${id()}`, () => `status=current`],
};

/** Links out of a type: the parameter, and the types it leads to. */
const links: Record<string, [string, string[]][]> = {
  Organization: [['partof', ['Organization']]],
  Patient: [
    ['general-practitioner', ['Practitioner', 'Organization']],
    ['organization', ['Organization']],
    ['link', ['Patient']],
  ],
  Encounter: [
    ['subject', ['Patient', 'Group']],
    ['patient', ['Patient']],
    ['service-provider', ['Organization']],
  ],
  Observation: [
    ['subject', ['Patient', 'Group']],
    ['patient', ['Patient']],
    ['encounter', ['Encounter']],
    ['performer', ['Practitioner', 'Patient', 'Organization']],
    ['has-member', ['Observation']],
  ],
  DiagnosticReport: [
    ['subject', ['Patient']],
    ['result', ['Observation']],
  ],
  Group: [['member', ['Patient', 'Practitioner']]],
  List: [['item', ['Patient', 'Observation', 'Encounter']]],
};

/** Links into a type: who refers to it by which parameter. */
const backLinks = (type: string): [string, string][] =>
  Object.entries(links).flatMap(([source, out]) =>
    out.filter(([, to]) => to.includes(type)).map(([param]) => [source, param] as [string, string]),
  );

/** A chain of up to `depth` links from the type. */
function chainFrom(type: string, depth: number): string {
  const out = links[type] ?? [];
  const back = backLinks(type);
  if (depth === 0 || out.length + back.length === 0) return one(leaves[type]!)();
  if (back.length > 0 && (out.length === 0 || next(2) === 0)) {
    const [source, param] = one(back);
    return `_has:${source}:${param}:${chainFrom(source, depth - 1)}`;
  }
  const [param, to] = one(out);
  const target = one(to);
  const named = to.length === 1 && next(2) === 0 ? '' : `:${target}`;
  return `${param}${named}.${chainFrom(target, depth - 1)}`;
}

const filters: Record<string, (() => string)[]> = {
  Patient: [
    () => `family ${one(['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'lt', 'ge', 'le'])} "${one(names)}"`,
    () => `gender ${one(['eq', 'ne'])} ${one(['male', 'female'])}`,
    () => `gender pr ${one(['true', 'false'])}`,
    () =>
      `birthdate ${one(['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'po', 'co'])} ${one(['1980', '1990-05', '1980-01-01'])}`,
    () => `organization re Organization/${id()}`,
    () => `organization.name ${one(['eq', 'sw', 'co'])} ${one(['Alder', 'birch'])}`,
    () => `organization.name pr ${one(['true', 'false'])}`,
    () => `general-practitioner[_id eq ${id()} or active eq true].name sw ${one(['a', 'b', 'c'])}`,
    () => `_has:Observation:patient:code eq ${one(codes)}`,
    () => `_has:Encounter:subject:service-provider.name co "${one(names)}"`,
    () => `_id ${one(['eq', 'ne'])} ${id()}`,
  ],
  Observation: [
    () => `code ${one(['eq', 'ne'])} http://s|${one(codes)}`,
    () => `date ${one(['po', 'co', 'ge', 'sa'])} ${one(['2020-01-01', '2020', '2021'])}`,
    () => `subject[gender eq male].family sw ${one(['a', 'b'])}`,
    () => `subject:Patient.general-practitioner:Practitioner.family pr true`,
  ],
};

function filterOn(type: string, depth: number): string {
  if (depth === 0) return one(filters[type]!)();
  const [a, b] = [filterOn(type, depth - 1), filterOn(type, next(depth))];
  return one([`(${a}) and (${b})`, `${a} or ${b}`, `not (${a})`, `not(${a}) and ${b}`]);
}

async function pages(query: SearchQuery): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const shown = await findPage(page(), { ...query, count: 7, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...shown.resources.map((resource) => resource.id));
    cursor = shown.nextCursor;
  } while (cursor !== undefined);
  return found;
}

/** Each way to the page, the pages and the count say the same. Returns how many there are. */
async function check(query: SearchQuery, shown: string): Promise<number> {
  const expected = inMemory(query);
  const ordered = withOrder(query);
  const asked = {
    ...{ page: page(), query: ordered, cursor: undefined, limit: PER_TYPE + 1 },
    keys: sortKeys(ordered, core.definitions),
  };
  const orders: string[][] = [];
  await lookUpAll(asked.page, query.criteria);
  const { found } = asked.page;
  for (let way = ways(asked).length - 1; way >= 0; way--) {
    // The last one first, and each without what others have found out about the joins; then again with it.
    for (const known of [{}, { joins: asked.page.joins }]) {
      const fresh = {
        ...asked,
        page: { ...page(), ...(found && { found }), ...(known.joins && { joins: known.joins }) },
      };
      const rows = (await ways(fresh)[way]!(fresh)) as Row[] | undefined;
      if (fresh.page.joins) asked.page.joins = fresh.page.joins;
      if (!rows) continue;
      assert.deepEqual(rows.map((row) => row.id).sort(), expected, `way ${way} of ${shown}`);
      orders.push(rows.map((row) => row.id));
    }
  }
  for (const order of orders) assert.deepEqual(order, orders[0], `order of ${shown}`);
  assert.deepEqual(await pages(query), orders[0], `pages of ${shown}`);
  assert.equal(await countMatches(page(), query), expected.length, `count of ${shown}`);
  return expected.length;
}

const encoded = (pair: string): string => {
  const at = pair.indexOf('=');
  return `${pair.slice(0, at)}=${encodeURIComponent(pair.slice(at + 1))}`;
};

const parse = (type: string, pairs: string[]): SearchQuery =>
  parseQuery(core, type, searchPairs(pairs.map(encoded).join('&')), true);

describe('random joins', () => {
  let telling = 0;
  const tally = (found: number) => {
    if (found > 0 && found < PER_TYPE) telling++;
  };

  for (const depth of [1, 2, 3, 4]) {
    test(`chains and _has of ${depth} links`, async () => {
      for (let i = 0; i < 120; i++) {
        const type = one(Object.keys(links));
        const pairs = [chainFrom(type, depth), ...some(() => one([...leaves[type]!, () => chainFrom(type, 1)])(), 1)];
        if (next(3) === 0) pairs.push(`_sort=${one(['', '-'])}_id`);
        tally(await check(parse(type, pairs), `${type}?${pairs.join('&')}`));
      }
    });
  }

  test('_filter', async () => {
    for (let i = 0; i < 200; i++) {
      const type = one(Object.keys(filters));
      const pairs = [`_filter=${filterOn(type, next(3))}`];
      if (next(3) === 0) pairs.push(chainFrom(type, 1));
      tally(await check(parse(type, pairs), `${type}?${pairs.join('&')}`));
    }
  });

  test('compartments', async () => {
    for (let i = 0; i < 100; i++) {
      const [kind, types] = one([
        ['Patient', ['Patient', 'Group', 'Encounter', 'Observation', 'DiagnosticReport', 'List']],
        ['Practitioner', ['Patient', 'Group', 'Practitioner', 'Observation', 'DiagnosticReport']],
        ['Encounter', ['Encounter', 'Observation', 'DiagnosticReport']],
      ] as const);
      const type = one(types);
      const query = parse(type, next(2) === 0 ? [] : [one(leaves[type]!)()]);
      query.criteria.unshift(compartmentCriterion(core, type, kind, id()));
      tally(await check(query, `${query.criteria[0]!.name}/${type}`));
    }
  });

  test('tell resources apart', () => assert.ok(telling > 300, `${telling} of 780 find some and not all`));
});

test('what the access scope hides is no link', async () => {
  const hidden = { ...page(), scope: nothing };
  for (const [type, pair] of [
    ['Observation', 'patient.gender:not=x'],
    ['Patient', '_has:Observation:patient:code:not=x'],
    ['Patient', '_filter=not (gender eq x)'],
    ['Patient', `_list=r1`],
  ] as const) {
    const query = parse(type, [pair]);
    assert.notDeepEqual(inMemory(query), [], `${type}?${pair} finds something`);
    assert.deepEqual((await findPage({ ...hidden }, query)).resources, []);
    assert.equal(await countMatches({ ...hidden }, query), 0);
  }
});
