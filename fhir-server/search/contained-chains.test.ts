// Chains into contained resources, SQL against memory: random chains over random containers find what a plain walk through
// references finds, each way they can be run. https://hl7.org/fhir/R4/search.html#contained, #chaining
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Criterion, type IndexValue, linkParam, matches, type Resource, type SearchQuery } from '#fhir-model';
import type { Db } from '#platform';
import { random, testDatabase } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { pageContext, parseQuery, searchPairs } from '../interactions/search.ts';
import { createWriter } from '../ports.ts';
import { lastGiven, reindexChunk } from '../store/reindex.ts';
import { codeToken } from '../store/tokens.ts';
import { assertStoreSound, everything, nothing, testCore } from '../testing.ts';
import { lookUpAll } from './look-up.ts';
import { findPage, type PageContext, type Row, ways, withOrder } from './page.ts';
import { sortKeys } from './sort.ts';
import { countMatches } from './total.ts';

const next = random(20_261_121);
const one = <T>(values: readonly T[]): T => values[next(values.length)]!;
const some = <T>(make: () => T, max: number): T[] => Array.from({ length: next(max + 1) }, make);
const maybe = <T>(make: () => T): T | undefined => (next(3) === 0 ? undefined : make());

const PER_TYPE = 60;
const names = ['Alder', 'alderson', 'Birch', 'Cedar', 'Élan', 'Birch Hill'];
const codes = ['a', 'b', 'c'];
const coding = () => ({ system: one(['http://s', 'http://t']), code: one(codes), display: one(names) });
const concept = () => ({ coding: [coding()] });
/** Of a contained resource, whether it is there or not, or of a stored one. */
const reference = (...types: string[]) =>
  next(4) > 0
    ? { reference: `#${one(types)}${next(3)}` }
    : next(4) === 0
      ? { reference: `#nothing`, display: one(names) }
      : { reference: `${one(types)}/r${next(PER_TYPE + 4)}` };

const contents: Record<string, () => object> = {
  Organization: () => ({ name: maybe(() => one(names)), partOf: maybe(() => reference('Organization')) }),
  Practitioner: () => ({ name: [{ family: one(names) }], birthDate: maybe(() => one(['1970-01-01', '1980'])) }),
  Patient: () => ({
    identifier: some(() => ({ system: one(['urn:x', 'urn:y']), value: one(codes) }), 1),
    gender: maybe(() => one(['male', 'female'])),
    name: some(() => ({ family: one(names) }), 2),
    birthDate: maybe(() => one(['1980-01-01', '1990', '2000-05'])),
    generalPractitioner: some(() => reference('Practitioner', 'Organization'), 2),
    managingOrganization: maybe(() => reference('Organization')),
  }),
  Observation: () => ({
    ...{ status: 'final', code: concept(), subject: maybe(() => reference('Patient')) },
    valueQuantity: maybe(() => ({ value: next(5), system: 'http://unitsofmeasure.org', code: one(['mg', 'g']) })),
    component: some(() => ({ code: concept(), valueQuantity: { value: next(3) } }), 2),
    performer: some(() => reference('Practitioner', 'Patient', 'Organization'), 3),
    hasMember: some(() => reference('Observation'), 2),
    effectiveDateTime: maybe(() => one(['2020-01-01', '2021'])),
  }),
  DiagnosticReport: () => ({
    ...{ status: 'final', code: concept(), subject: maybe(() => reference('Patient')) },
    result: some(() => reference('Observation'), 3),
    performer: some(() => reference('Practitioner', 'Organization'), 2),
  }),
};
const types = Object.keys(contents);

const clean = (resource: object): Resource =>
  Object.fromEntries(
    Object.entries(resource).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
    ),
  ) as Resource;

type Named = Resource & { id: string };

const make = (type: string, id: string): Named => ({ ...clean(contents[type]!()), resourceType: type, id });

/** Most contain up to twelve resources. */
const container = (type: string, id: string): Named => {
  const contained = types
    .filter((each) => each !== 'DiagnosticReport')
    .flatMap((each) => Array.from({ length: next(4) }, (_, i) => make(each, `${each}${i}`)));
  return { ...make(type, id), ...(contained.length > 0 && next(4) > 0 && { contained }) };
};

const stored = new Map<string, Map<string, Named>>();
let core: Core;
let db: Db;
let page: () => PageContext;

before(async () => {
  db = await testDatabase();
  core = await testCore(db, { now: () => 1_700_000_000_000 });
  page = () => pageContext(core, { scope: everything, db });
  for (const type of types) {
    const resources = Array.from({ length: PER_TYPE }, (_, i) => container(type, `r${i}`));
    assert.ok((await createWriter(core).createIfAbsent(resources, { scope: everything })).every(Boolean));
    stored.set(type, new Map(resources.map((resource) => [resource.id, resource] as const)));
  }
});

const containedOf = ({ contained = [] }: Resource): Resource[] => contained as Resource[];

/** Where the references of the tests are, by parameter. */
const paths: Record<string, (resource: Record<string, unknown>) => unknown[]> = {
  ...{
    subject: ({ subject }) => [subject],
    patient: ({ subject }) => [subject],
    organization: (r) => [r.managingOrganization],
  },
  ...{ performer: (r) => (r.performer ?? []) as unknown[], result: (r) => (r.result ?? []) as unknown[] },
  ...{ 'has-member': (r) => (r.hasMember ?? []) as unknown[], partof: ({ partOf }) => [partOf] },
  'general-practitioner': (r) => (r.generalPractitioner ?? []) as unknown[],
};

/** What the reference names, `holder` being the container of who has it, or that itself. */
let intoContained = true;
function resolve(holder: Resource, value: unknown): { target: Resource; holder: Resource } | undefined {
  const { reference: text = '' } = (value ?? {}) as { reference?: string };
  if (text.startsWith('#')) {
    const target = intoContained ? containedOf(holder).find(({ id }) => `#${id}` === text) : undefined;
    return target && { target, holder };
  }
  const [type = '', id = ''] = text.split('/');
  const target = stored.get(type)?.get(id);
  return target && { target, holder: target };
}

function meets(criterion: Criterion, resource: Resource, holder: Resource): boolean {
  const { chain, has, logic, param } = criterion;
  if (logic?.op === 'not') return !logic.criteria.some((each) => meets(each, resource, holder));
  if (logic) return logic.criteria[logic.op === 'and' ? 'every' : 'some']((each) => meets(each, resource, holder));
  if (has) {
    return [...stored.get(has.type)!.values()].some(
      (other) =>
        meets(has.criterion, other, other) &&
        paths[has.param.code]!(other).some((value) => resolve(other, value)?.target === resource),
    );
  }
  if (!chain) {
    const query = { type: resource.resourceType, criteria: [criterion] } as unknown as SearchQuery;
    const values: IndexValue[] = core.store.extract(resource);
    return matches({ ...query, sort: [], includes: [] }, values, resource);
  }
  return paths[param.code]!(resource).some((value) => {
    const found = resolve(holder, value);
    return chain.some(
      (link) => link.type === found?.target.resourceType && meets(link.criterion, found.target, found.holder),
    );
  });
}

const plain: Record<string, (() => string)[]> = {
  Organization: [
    () => `name=${one(names)}`,
    () => `name:exact=${one(names)}`,
    () => `name:missing=${one(['true', 'false'])}`,
  ],
  Practitioner: [() => `family=${one(names)}`, () => `family:contains=${one(['der', 'ir'])}`],
  Patient: [
    ...[() => `gender=${one(['male', 'female', 'male,female'])}`, () => `gender:not=male`, () => `gender:missing=true`],
    ...[() => `birthdate=${one(['ge1985', 'lt1990', '1990', 'ne1990'])}`, () => `birthdate:missing=true`],
    ...[() => `name=${one(names)}`, () => `identifier=${one(['a', 'urn:x|', 'urn:y|b', '|a'])}`],
    () => `general-practitioner:missing=${one(['true', 'false'])}`,
  ],
  Observation: [
    ...[() => `code=${one(['a', 'http://s|b', 'http://t|', 'a,b'])}`, () => `code:not=${one(['a', 'http://s|b'])}`],
    ...[
      () => `code:text=${one(['alder', 'birch'])}`,
      () => `value-quantity=${one(['gt2', '1', '0.001|http://unitsofmeasure.org|g'])}`,
    ],
    ...[() => `combo-code=${one(codes)}`, () => `date=${one(['ge2020-06', '2020'])}`, () => `status=final`],
    () => `component-code-value-quantity=${one(codes)}$${one(['ge1', '2'])}`,
    () => `subject=Patient/r${next(PER_TYPE)}`,
  ],
};
/** A chain on a resource of the type, of up to four links. */
const links: Record<string, [string, string][]> = {
  Organization: [['partof', 'Organization']],
  Practitioner: [],
  Patient: [
    ...([
      ['organization', 'Organization'],
      ['general-practitioner:Practitioner', 'Practitioner'],
    ] as [string, string][]),
    ...([['general-practitioner:Organization', 'Organization']] as [string, string][]),
  ],
  Observation: [
    ...([
      ['subject:Patient', 'Patient'],
      ['patient', 'Patient'],
      ['performer:Practitioner', 'Practitioner'],
    ] as [string, string][]),
    ...([
      ['performer:Organization', 'Organization'],
      ['has-member', 'Observation'],
    ] as [string, string][]),
  ],
  DiagnosticReport: [
    ...([
      ['subject:Patient', 'Patient'],
      ['patient', 'Patient'],
      ['result', 'Observation'],
    ] as [string, string][]),
    ['performer:Organization', 'Organization'],
  ],
};

function chain(type: string, depth = 0): string {
  if (depth > 0 && (depth === 3 || links[type]!.length === 0 || next(2) === 0)) return one(plain[type]!)();
  const [name, target] = one(links[type]!);
  return `${name}.${chain(target, depth + 1)}`;
}

const FILTERS: Record<string, string[]> = {
  Observation: [
    'subject[gender eq male and name sw birch].gender eq male',
    'not (performer.name eq "Alder")',
    'subject.gender eq male',
  ],
  DiagnosticReport: ['result[code eq a and not (status eq draft)].status eq final', 'result.subject.name co "ir"'],
  Patient: ['organization.name sw alder or gender eq male', 'not (organization.name pr true)'],
};

function randomSearch(type: string): string {
  const criteria = [
    chain(type),
    ...(next(5) === 0 ? [chain(type)] : []),
    ...(next(4) === 0 ? [one(['_id=r1,r2,r3,r4,r5,r6,r7,r8,r9', 'status=final'])] : []),
  ];
  if (type === 'Patient') criteria.push(...(next(6) === 0 ? ['_has:Observation:subject:performer.name=alder'] : []));
  if (FILTERS[type] && next(6) === 0) criteria.push(`_filter=${one(FILTERS[type])}`);
  const sort = next(2) === 0 ? `&_sort=${one(['', '-'])}${one(['_id', '_lastUpdated'])}` : '';
  return (
    criteria
      .filter((each) => each !== 'status=final' || type === 'Observation' || type === 'DiagnosticReport')
      .join('&') + sort
  );
}

const idsOf = (rows: { id: string }[]): string[] => rows.map(({ id }) => id);

async function pages(query: SearchQuery): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const shown = await findPage(page(), { ...query, count: 7, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...idsOf(shown.resources));
    cursor = shown.nextCursor;
  } while (cursor !== undefined);
  return found;
}

async function assertFinds(query: SearchQuery, expected: string[], name: string): Promise<void> {
  const ordered = withOrder(query);
  const keys = sortKeys(ordered, core.definitions);
  const orders: string[][] = [];
  const count = ways({ page: page(), query: ordered, keys, cursor: undefined, limit: PER_TYPE + 1 }).length;
  for (let i = 0; i < count; i++) {
    const asked = { page: page(), query: ordered, keys, cursor: undefined, limit: PER_TYPE + 1 };
    await lookUpAll(asked.page, query.criteria);
    const rows = (await ways(asked)[i]!(asked)) as Row[] | undefined;
    if (rows) orders.push(idsOf(rows));
  }
  for (const order of orders) {
    assert.deepEqual([...order].sort(), expected, name);
    assert.deepEqual(order, orders[0], `order of ${name}`);
  }
  assert.deepEqual(await pages(query), orders[0], `pages of ${name}`);
  assert.equal(await countMatches(page(), query), expected.length, `count of ${name}`);
}

/** What a plain walk finds. */
const walk = (query: SearchQuery): string[] =>
  [...stored.get(query.type)!.values()]
    .filter((each) => query.criteria.every((criterion) => meets(criterion, each, each)))
    .map(({ id }) => id)
    .sort();

describe('random chains into contained resources', () => {
  let telling = 0;
  let contained = 0;
  for (const type of ['Patient', 'Observation', 'DiagnosticReport', 'Organization']) {
    test(`on ${type}`, async () => {
      for (let i = 0; i < 60; i++) {
        const text = randomSearch(type);
        const query = parseQuery(core, type, searchPairs(text.replaceAll('%', '%25')), true);
        const expected = walk(query);
        telling += expected.length > 0 && expected.length < PER_TYPE ? 1 : 0;
        intoContained = false;
        contained += walk(query).join() === expected.join() ? 0 : 1;
        intoContained = true;
        await assertFinds(query, expected, `${type}?${text}`);
      }
    });
  }

  test('tell resources apart, for what they contain', () => {
    assert.ok(telling >= 110, `${telling} of 240 find some and not all`);
    assert.ok(contained >= 75, `${contained} of 240 find others without contained resources`);
  });
  test('over a store that is sound', () => assertStoreSound({ db }));
});

test('what the access scope hides is not found', async () => {
  for (const text of ['subject:Patient.gender:not=x', 'performer:Practitioner.family:missing=false']) {
    const query = parseQuery(core, 'Observation', searchPairs(text), true);
    assert.notDeepEqual(walk(query), []);
    assert.deepEqual((await findPage({ ...page(), scope: nothing }, query)).resources, []);
    assert.equal(await countMatches({ ...page(), scope: nothing }, query), 0);
  }
});

test('contained resources that all name each other: two links are followed, the third is refused', async () => {
  const ids = Array.from({ length: 16 }, (_, i) => `m${i}`);
  const member = ids.map((id) => ({ reference: `#${id}` }));
  const observation = (id: string, code: string, more: object) => ({
    ...{ resourceType: 'Observation', id, status: 'final', code: { coding: [{ code }] }, hasMember: member },
    ...more,
  });
  const hub = observation('hub', 'hub', { contained: ids.map((id) => observation(id, `is-${id}`, {})) });
  assert.ok((await createWriter(core).createIfAbsent([hub as Named], { scope: everything })).every(Boolean));
  const query = (text: string) => parseQuery(core, 'Observation', searchPairs(text), true);
  for (const text of [
    'has-member.code=is-m15',
    'has-member.has-member.code=is-m7',
    '_filter=has-member.code eq is-m3',
  ]) {
    assert.deepEqual(idsOf((await findPage(page(), query(text))).resources), ['hub'], text);
  }
  await assert.rejects(findPage(page(), query('has-member.has-member.has-member.code=is-m1')), {
    ...{ code: 'too-costly', status: 400 },
  });
});

test('rows that were written without links find what is stored alone, after $reindex what is contained too', async () => {
  const query = parseQuery(core, 'DiagnosticReport', searchPairs('subject:Patient.gender=male,female'), true);
  const subject = linkParam(core.parameters.get('DiagnosticReport', 'subject')!);
  const links = Array.from({ length: 3 }, (_, place) => codeToken(subject, String(place), 'Patient'));
  await db.query(
    { text: 'update r_diagnosticreport set tokens = array(select unnest(tokens) except select unnest($1::bigint[]))' },
    [`{${links.join(',')}}`],
  );
  const found = async () => idsOf((await findPage(page(), { ...query, count: 100 })).resources).sort();
  intoContained = false;
  const before = walk(query);
  assert.deepEqual(await found(), before);
  intoContained = true;
  assert.ok(walk(query).length > before.length);
  const until = await lastGiven(db);
  await reindexChunk(core.store, 'DiagnosticReport', { after: 0n, until }, async () => undefined);
  assert.deepEqual(await found(), walk(query));
  await assertStoreSound({ db });
});
