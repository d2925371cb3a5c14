// Which code system a URL means: https://hl7.org/fhir/R4/terminologies-systems.html
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { AccessScope, Resource } from '#fhir-model';
import { CerebraError, type Db, isCerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import { type CodeSystems, createCodeSystems } from './systems.ts';
import { activeSystems } from './tables.ts';
import { type TestCanonicals, testCanonicals } from './testing.ts';
import { systemsOf } from './value-set-formula.ts';
import { createValueSets, NO_RULES } from './value-sets.ts';
import { writeSystem } from './write-system.ts';

const scope: AccessScope = { kind: 'everything' };
const codeSystem = (version: string, codes: string[], more: object = {}): Resource =>
  ({
    ...{ resourceType: 'CodeSystem', url: 'http://cs', version, content: 'complete', caseSensitive: true },
    concept: codes.map((code) => ({ code })),
    ...more,
  }) as unknown as Resource;
const stored = (id: string, versionId: string) => ({ id, meta: { versionId } });

let db: Db;
let canonicals: TestCanonicals;
let systems: CodeSystems;
let nowMs = 0;
before(async () => {
  db = await testDatabase();
});
beforeEach(async () => {
  await db.query({ text: 'delete from code_system' });
  canonicals = testCanonicals([]);
  nowMs = 0;
  systems = createCodeSystems({ db, canonicals, now: () => nowMs, memoryConceptsMax: 3 });
});

async function release(version: string, codes: string[]): Promise<void> {
  const about = codeSystem(version, []);
  const writer = await writeSystem(db, { url: 'http://cs', version, about, caseSensitive: true });
  for (const code of codes) writer.add({ code });
  await writer.finish();
}

/** The version that is found and whether it has the code `x`. */
async function found(version?: string, resources: Resource[] = []): Promise<string | undefined> {
  const system = await systems.find('http://cs', version, { scope, resources });
  if (system === undefined) return undefined;
  return `${system.about.version}${(await system.concept('x')) ? ' x' : ''}`;
}

describe('versions', () => {
  test('the latest without a version, else that one or the latest that it begins', async () => {
    canonicals.set([codeSystem('1.0.9', []), codeSystem('1.0.10', ['x']), codeSystem('0.9', [])]);
    assert.equal(await found(), '1.0.10 x');
    assert.equal(await found('1.0.9'), '1.0.9');
    assert.equal(await found('1.0'), '1.0.10 x');
    assert.equal(await found('7'), undefined);
    assert.deepEqual(await systems.versions('http://cs', { scope }), ['1.0.10', '1.0.9', '0.9']);
    assert.deepEqual(await systems.versions('http://nothing', { scope }), []);
  });

  test('what the request brings along goes before everything, under any scope', async () => {
    canonicals.set([codeSystem('2', ['x'])]);
    assert.equal(await found(undefined, [codeSystem('1', [])]), '1');
    assert.equal(await found('2', [codeSystem('1', [])]), '2 x');
    const nothing: AccessScope = { kind: 'nothing' };
    assert.equal(await systems.find('http://cs', undefined, { scope: nothing }), undefined);
    assert.deepEqual(await systems.versions('http://cs', { scope: nothing }), []);
    const brought = await systems.find('http://cs', undefined, { scope: nothing, resources: [codeSystem('3', [])] });
    assert.equal(brought?.about.version, '3');
  });
});

describe('releases in the tables', () => {
  test('are found within a second, or at once when told to look', async () => {
    assert.equal(await found(), undefined);
    await release('2024', ['x']);
    assert.equal(await found(), undefined);
    nowMs = 1_000;
    assert.equal(await found(), '2024 x');
    await release('2025', ['x']);
    await systems.changed();
    assert.equal(await found(), '2025 x');
    assert.equal(await found('2024'), '2024 x');
    assert.deepEqual(await systems.versions('http://cs', { scope }), ['2025', '2024']);
  });

  test('stand beside what is stored: the later version counts, and codes go before none', async () => {
    await release('2', ['x']);
    canonicals.set([codeSystem('1', []), codeSystem('3', [])]);
    assert.equal(await found(), '3');
    assert.equal(await found('2'), '2 x');
    canonicals.set([codeSystem('3', [], { content: 'not-present' })]);
    assert.equal(await found(), '2 x');
    canonicals.set([codeSystem('1', [])]);
    assert.equal(await found(), '2 x');
  });

  test('a module of SNOMED CT means its latest version', async () => {
    const module = 'http://snomed.info/sct/900000000000207008';
    await release(`${module}/version/20240101`, []);
    await release(`${module}/version/20250101`, ['x']);
    assert.equal(await found(module), `${module}/version/20250101 x`);
  });
});

describe('stored systems', () => {
  test('a change is seen with the next question', async () => {
    canonicals.set([codeSystem('1', [])]);
    assert.equal(await found(), '1');
    canonicals.set([codeSystem('1', ['x'])]);
    assert.equal(await found(), '1 x');
    canonicals.set([]);
    assert.equal(await found(), undefined);
  });

  test('large ones go into the tables, once, and with the next version again', async () => {
    const concepts = {
      hierarchyMeaning: 'is-a',
      concept: [
        {
          ...{ code: 'a', display: 'A', definition: 'first' },
          designation: [{ language: 'de', use: { system: 'http://u', code: 'u' }, value: 'Ah' }],
          concept: [{ code: 'x', property: [{ code: 'status', valueCode: 'retired' }] }, { display: 'no code' }],
        },
        { code: 'b', property: [{ code: 'parent', valueCode: 'x' }] },
        { code: 'c', property: [{ code: 'child', valueCode: 'a' }] },
        { code: 'x', display: 'again' },
      ],
    };
    const large = codeSystem('1', [], { ...stored('l', '1'), ...concepts });
    canonicals.set([large]);
    const several = await Promise.all([found(), found(), found('1')]);
    assert.deepEqual(several, ['1 x', '1 x', '1 x']);
    const system = (await systems.find('http://cs', undefined, { scope }))!;
    assert.equal(system.table?.resource, 'l');
    const x = (await system.described('x'))!;
    assert.deepEqual([x.concept.inactive, x.concept.status, x.concept.display], [true, 'retired', undefined]);
    assert.deepEqual(
      [x.details.parents.map(({ code }) => code), x.details.children.map(({ code }) => code)],
      [['a'], ['b']],
    );
    assert.equal(await system.relation((await system.concept('c'))!, (await system.concept('b'))!), 'subsumes');
    assert.deepEqual((await system.described('a'))?.details.designations, [
      { language: 'de', use: { system: 'http://u', code: 'u' }, value: 'Ah' },
    ]);
    // Another server finds it there.
    const other = createCodeSystems({ db, canonicals, memoryConceptsMax: 3 });
    assert.equal((await other.find('http://cs', undefined, { scope }))?.table?.cs, system.table?.cs);
    canonicals.set([codeSystem('1', ['a', 'b', 'c', 'd'], stored('l', '2'))]);
    assert.equal(await found(), '1');
    assert.deepEqual(
      (await activeSystems(db)).map(({ resource, resourceVersion }) => [resource, resourceVersion]),
      [['l', 2]],
    );
  });

  test('what a request brings along is none of them, whatever id and version it says it has', async () => {
    const large = codeSystem('1', ['a', 'b', 'c', 'x'], stored('l', '1'));
    canonicals.set([large]);
    assert.equal(await found(), '1 x');
    const active = await activeSystems(db);
    assert.deepEqual(
      active.map(({ resource, resourceVersion }) => [resource, resourceVersion]),
      [['l', 1]],
    );
    for (const versionId of ['1', '2']) {
      const given = codeSystem('1', ['a', 'b', 'c', 'd'], stored('l', versionId));
      assert.equal(await found(undefined, [given]), '1');
      const system = await systems.openGiven(codeSystem('1', ['a', 'b', 'c', 'd'], stored('l', versionId)));
      assert.deepEqual([(await system.concept('x'))?.code, (await system.concept('d'))?.code], [undefined, 'd']);
    }
    assert.deepEqual(await activeSystems(db), active);
    assert.equal(await found(), '1 x');
  });

  test('too many concepts in a request are refused', async () => {
    const concept = Array.from({ length: 100_001 }, (_, i) => ({ code: `c${i}` }));
    await assert.rejects(systems.openGiven(codeSystem('1', [], { concept })), (error) =>
      isCerebraError(error, 'too-costly'),
    );
  });

  test('a hierarchy of too many levels is refused', async () => {
    const concept = Array.from({ length: 3_000 }, (_, i) => ({
      code: `c${i}`,
      property: [{ code: 'parent', valueCode: `c${i + 1}` }],
    }));
    await assert.rejects(systems.open(codeSystem('1', [], { concept })), (error) =>
      isCerebraError(error, 'too-costly'),
    );
  });
});

test('systems that are rules are there without being stored', async () => {
  const cases: [string, string, string | undefined][] = [
    ['http://unitsofmeasure.org', 'mg/dL', 'milligram per deciliter'],
    ['http://unitsofmeasure.org', '{score}', '{score}'],
    ['http://unitsofmeasure.org', 'milligram', undefined],
    ['http://unitsofmeasure.org', ' mg', undefined],
    ['http://unitsofmeasure.org', 'constructor', undefined],
    ['urn:ietf:bcp:47', 'de-CH', 'German (Switzerland)'],
    ['urn:ietf:bcp:47', 'de_CH', undefined],
    ['urn:ietf:bcp:47', 'xx', undefined],
    ['urn:ietf:bcp:47', 'x-own', 'x-own'],
    ['urn:ietf:bcp:13', 'application/fhir+json; charset=utf-8', 'application/fhir+json; charset=utf-8'],
    ['urn:ietf:bcp:13', 'text', undefined],
    ['urn:ietf:bcp:13', `${'a'.repeat(600)}/b`, undefined],
  ];
  for (const [url, code, display] of cases) {
    const system = await systems.find(url, undefined, { scope });
    assert.equal((await system?.concept(code))?.display, display, `${url}|${code}`);
  }
});

describe('a value set with a lockedDate', () => {
  const dated = (version: string, date: string): Resource => codeSystem(version, ['x'], { date });
  const set = (url: string, compose: object, more: object = {}): Resource =>
    ({ resourceType: 'ValueSet', url, compose, ...more }) as unknown as Resource;
  const locked = (lockedDate: string | undefined, ...include: object[]) =>
    set('http://vs', { ...(lockedDate !== undefined && { lockedDate }), include });
  const whole = { system: 'http://cs' };

  /** `url|version` of the systems that it is made of. */
  async function used(resource: Resource, asker: object = {}): Promise<string[]> {
    const asking = { asker: { scope, ...asker }, versions: NO_RULES, supplements: [] };
    const composition = await createValueSets({ canonicals, systems }).composeResource(resource, asking);
    return systemsOf(composition).map(({ url, version }) => `${url}|${version}`);
  }

  const refused = (resource: Resource, text: RegExp) =>
    assert.rejects(used(resource), (error) => {
      assert.ok(error instanceof CerebraError);
      const [issue] = error.issues;
      assert.match(error.message, text);
      assert.deepEqual(issue?.expression, ['ValueSet.compose.lockedDate']);
      return true;
    });

  beforeEach(() => canonicals.set([dated('1', '2020-01-01'), dated('2', '2022-01-01'), dated('3', '2024-01-01')]));

  test('has the version of each system as of that date', async () => {
    assert.deepEqual(await used(locked('2023-06-01', whole)), ['http://cs|2']);
    assert.deepEqual(await used(locked('2022-01-01', whole)), ['http://cs|2']);
    assert.deepEqual(await used(locked('2020', whole)), ['http://cs|1']);
    assert.deepEqual(await used(locked('2030-01-01', whole)), ['http://cs|3']);
    assert.deepEqual(await used(locked(undefined, whole)), ['http://cs|undefined']);
    // One that is named is taken at its word.
    assert.deepEqual(await used(locked('2020-06-01', { ...whole, version: '3' })), ['http://cs|3']);
    // More than a request's own date, which is for what the value set leaves open.
    assert.deepEqual(await used(locked('2020-06-01', whole), { date: '2023-01-01' }), ['http://cs|1']);
  });

  test('among releases too, and for what is excluded', async () => {
    await release('http://snomed.info/sct/1/version/20210101', ['x']);
    canonicals.set([]);
    const [version] = await used(set('http://vs', { lockedDate: '2021-01-01', include: [whole], exclude: [whole] }));
    assert.equal(version, 'http://cs|http://snomed.info/sct/1/version/20210101');
    await refused(locked('2020-12-31', whole), /20210101/);
  });

  test('takes what it imports as of that date, which that one’s own goes before', async () => {
    const inner = (version: string, date: string, compose: object) => set('http://inner', compose, { version, date });
    const systemsThere = [dated('1', '2020-01-01'), dated('2', '2022-01-01')];
    canonicals.set([
      ...systemsThere,
      inner('a', '2020-01-01', { include: [whole] }),
      inner('b', '2023-01-01', { include: [{ ...whole, version: '2' }] }),
    ]);
    const importing = { valueSet: ['http://inner'] };
    assert.deepEqual(await used(locked('2021-01-01', importing)), ['http://cs|1']);
    assert.deepEqual(await used(locked('2023-01-01', importing)), ['http://cs|2']);
    await refused(locked('2019-01-01', importing), /value set 'http:\/\/inner'/);
    canonicals.set([...systemsThere, inner('a', '2020-01-01', { lockedDate: '2022', include: [whole] })]);
    assert.deepEqual(await used(locked('2021-01-01', importing)), ['http://cs|2']);
  });

  test('is refused where no version was there then, and where it is no date', async () => {
    await refused(locked('2019-01-01', whole), /not later than 2019-01-01.*3 \(2024-01-01\), 2/);
    await refused(locked('then', whole), /no date: 'then'/);
    canonicals.set([codeSystem('', ['x'], { version: undefined, date: '2019-01-01' })]);
    assert.deepEqual(await used(locked('2020-01-01', whole)), ['http://cs|undefined']);
    // As of any system that is not known.
    assert.deepEqual(await used(locked('2020-01-01', { system: 'http://unknown' })), ['http://unknown|undefined']);
  });

  test('is what its expansion lists where that date’s version is not here', async () => {
    const expansion = { contains: [{ system: 'http://cs', version: '0', code: 'x' }] };
    const resource = set('http://vs', { lockedDate: '2019-01-01', include: [whole] }, { expansion });
    assert.deepEqual(await used(resource), ['http://cs|0']);
  });
});
