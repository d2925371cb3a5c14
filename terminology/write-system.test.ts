// Code systems in the tables: https://hl7.org/fhir/R4/codesystem.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { type Db, isCerebraError } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import type { CodeSystem } from './code-system.ts';
import { clearUp, deactivate } from './system-tables.ts';
import { createTableReader } from './table-system.ts';
import { activeSystems, systemsEpoch } from './tables.ts';
import { type NewSystem, type SystemWriter, writeSystem } from './write-system.ts';

let db: Db;
before(async () => {
  db = await testDatabase();
});

const newSystem = (url: string, more: Partial<NewSystem> = {}): NewSystem => ({
  ...{ url, version: '1', caseSensitive: true },
  about: { resourceType: 'CodeSystem', url, version: '1', content: 'complete' } as unknown as Resource,
  ...more,
});

/** animal > cat > tiger, animal > striped > tiger, stone. */
function addAnimals(writer: SystemWriter): void {
  const tiger = writer.add({ code: 'tiger', display: 'Großer Tiger', definition: 'A\ttab, a \\ and\na line' })!;
  writer.parent(tiger, 'cat');
  writer.parent(tiger, 'striped');
  const animal = writer.add({ code: 'animal', abstract: true })!;
  for (const code of ['cat', 'striped']) writer.parent(writer.add({ code, display: code })!, 'animal');
  writer.add({ code: 'stone', inactive: true, status: 'retired' });
  writer.designation(tiger, {
    language: 'fr',
    useSystem: 'http://use',
    useCode: 'u',
    useDisplay: 'Use',
    value: 'tigre',
  });
  writer.property(tiger, { code: 'legs', type: 'integer', value: '4' });
  writer.property(tiger, { code: 'role', type: 'Coding', value: 'x', system: 'http://r', display: 'X', group: 2 });
  assert.equal(animal, 1);
}

async function opened(url: string): Promise<CodeSystem> {
  const found = (await activeSystems(db)).find((each) => each.url === url);
  assert.ok(found, `${url} is active`);
  return createTableReader(db)(found);
}

const tablesOf = async (cs: number): Promise<string[]> => {
  const text = "select relname from pg_class where relname ~ $1 and relkind = 'r' order by 1";
  const rows = await db.query<{ relname: string }>({ text }, [`_${cs}$`]);
  return rows.map(({ relname }) => relname).filter((name) => name.startsWith('concept'));
};

describe('a code system', () => {
  test('is there once it is finished, with all that was written', async () => {
    const before = await systemsEpoch(db);
    const writer = await writeSystem(db, newSystem('http://animals'));
    addAnimals(writer);
    await writer.drain();
    assert.ok(!(await activeSystems(db)).some(({ url }) => url === 'http://animals'));
    assert.equal(await systemsEpoch(db), before);
    const written = await writer.finish();
    assert.equal(await systemsEpoch(db), before + 1n);
    assert.deepEqual(
      { ...written, cs: 0 },
      {
        ...{ cs: 0, concepts: 5, closure: 5 },
        ...{ unknownParents: { count: 0, first: [] }, cyclic: { count: 0, first: [] } },
      },
    );
    const system = await opened('http://animals');
    const tiger = await system.concept('tiger');
    assert.deepEqual(tiger, {
      ...{ n: 0, code: 'tiger', abstract: false, inactive: false },
      ...{ display: 'Großer Tiger', definition: 'A\ttab, a \\ and\na line' },
    });
    assert.deepEqual(await system.details(tiger!), {
      designations: [{ language: 'fr', use: { system: 'http://use', code: 'u', display: 'Use' }, value: 'tigre' }],
      properties: [
        { code: 'legs', type: 'integer', value: '4' },
        { code: 'role', type: 'Coding', value: 'x', system: 'http://r', display: 'X', group: 2 },
      ],
      parents: [
        { code: 'cat', display: 'cat' },
        { code: 'striped', display: 'striped' },
      ],
      children: [],
    });
    assert.deepEqual(await system.described('tiger'), { concept: tiger, details: await system.details(tiger!) });
    const animal = await system.described('animal');
    assert.equal(animal?.concept.abstract, true);
    assert.deepEqual(
      animal?.details.children.map(({ code }) => code),
      ['cat', 'striped'],
    );
    const stone = await system.concept('stone');
    assert.deepEqual([stone?.inactive, stone?.status], [true, 'retired']);
    assert.equal(await system.concept('Tiger'), undefined);
    assert.equal(await system.concept(''), undefined);
  });

  test('tells what subsumes what', async () => {
    const system = await opened('http://animals');
    const relation = async (a: string, b: string) =>
      system.relation((await system.concept(a))!, (await system.concept(b))!);
    assert.equal(await relation('animal', 'tiger'), 'subsumes');
    assert.equal(await relation('tiger', 'striped'), 'subsumed-by');
    assert.equal(await relation('tiger', 'tiger'), 'equivalent');
    assert.equal(await relation('stone', 'tiger'), 'not-subsumed');
    const relatives = async (code: string, direction: 'above' | 'below', max = 10) =>
      [...(await system.relatives((await system.concept(code))!, direction, max))].sort();
    assert.deepEqual(await relatives('animal', 'below'), ['animal', 'cat', 'striped', 'tiger']);
    assert.deepEqual(await relatives('tiger', 'above'), ['animal', 'cat', 'striped', 'tiger']);
    assert.deepEqual(await relatives('animal', 'below', 4), ['animal', 'cat', 'striped', 'tiger']);
    await assert.rejects(relatives('animal', 'below', 3), (error) => isCerebraError(error, 'too-costly'));
  });

  test('many questions of one moment get their own answers', async () => {
    const system = await opened('http://animals');
    const asked = ['tiger', 'nothing', 'stone', 'tiger', 'animal'];
    const found = await Promise.all(asked.map((code) => system.concept(code)));
    assert.deepEqual(
      found.map((concept) => concept?.code),
      ['tiger', undefined, 'stone', 'tiger', 'animal'],
    );
  });

  test('takes the place of the same url and version, and of no other', async () => {
    const old = (await opened('http://animals')).table!.cs;
    const other = await writeSystem(db, newSystem('http://animals', { version: '2' }));
    other.add({ code: 'dog' });
    await other.finish();
    const writer = await writeSystem(db, newSystem('http://animals'));
    writer.add({ code: 'whale' });
    const { cs } = await writer.finish();
    const active = (await activeSystems(db)).filter(({ url }) => url === 'http://animals');
    assert.deepEqual(
      active.map((each) => [each.cs, each.version]),
      [
        [other.cs, '2'],
        [cs, '1'],
      ],
    );
    // Servers that have not looked yet still ask it.
    await clearUp(db);
    assert.equal((await tablesOf(old)).length, 6);
    await db.query({ text: "update code_system set left_at = left_at - interval '2 minutes' where cs = $1" }, [old]);
    await clearUp(db);
    assert.deepEqual(await tablesOf(old), []);
  });

  test('that leaves is not there any more', async () => {
    const { cs } = (await opened('http://animals')).table!;
    await deactivate(db, cs);
    assert.ok(!(await activeSystems(db)).some((each) => each.cs === cs));
  });
});

describe('what is wrong', () => {
  test('codes that come twice, are empty or too long; parents that are not there; cycles', async () => {
    const writer = await writeSystem(db, newSystem('http://faulty'));
    const a = writer.add({ code: 'a', display: 'nul\0 here' })!;
    assert.equal(writer.add({ code: 'a' }), undefined);
    for (const code of ['', 'é'.repeat(1_001)]) {
      assert.throws(
        () => writer.add({ code }),
        (error) => isCerebraError(error, 'invalid'),
      );
    }
    const b = writer.add({ code: 'b'.repeat(2_000) })!;
    writer.parent(a, 'b'.repeat(2_000));
    writer.parent(b, 'a');
    writer.parent(b, 'nowhere');
    writer.property(a, { code: 'long', type: 'string', value: 'x'.repeat(100_000) });
    const { unknownParents, cyclic, concepts } = await writer.finish();
    assert.equal(concepts, 2);
    assert.deepEqual(unknownParents, { count: 1, first: [{ child: 'b'.repeat(2_000), parent: 'nowhere' }] });
    assert.equal(cyclic.count, 1);
    const system = await opened('http://faulty');
    const described = await system.described('a');
    assert.equal(described?.concept.display, 'nul here');
    assert.equal(described?.details.properties[0]?.value.length, 100_000);
  });

  test('a load that was given up, or broke off, leaves nothing', async () => {
    const given = await writeSystem(db, newSystem('http://given-up'));
    given.add({ code: 'a' });
    await given.drain();
    await given.abandon();
    assert.deepEqual(await tablesOf(given.cs), []);
    const broken = await writeSystem(db, newSystem('http://broken'));
    await clearUp(db); // which passes over what somebody is writing
    assert.equal((await tablesOf(broken.cs)).length, 3);
    await broken.abandon();
    const [row] = await db.query<{ cs: number }>({
      text: `insert into code_system (url, state, case_sensitive, about) values ('http://killed', 'loading', true, '{}') returning cs`,
    });
    await clearUp(db);
    const left = await db.query({ text: 'select cs from code_system where cs = any($1)' }, [
      [row!.cs, broken.cs, given.cs],
    ]);
    assert.deepEqual(left, []);
  });

  test('a copy that fails is told and nothing becomes visible', async () => {
    const writer = await writeSystem(db, newSystem('http://fails'));
    writer.add({ code: 'a' });
    await db.query({ text: `drop table concept_${writer.cs}` });
    await assert.rejects(writer.finish(), /does not exist/);
    await writer.abandon();
    assert.ok(!(await activeSystems(db)).some(({ url }) => url === 'http://fails'));
  });
});

test('where case makes no difference the same spelling goes before others', async () => {
  const writer = await writeSystem(db, newSystem('http://any-case', { caseSensitive: false }));
  writer.add({ code: 'MG' });
  const child = writer.add({ code: 'Mg' })!;
  const other = writer.add({ code: 'É' })!;
  assert.deepEqual([writer.numberOf('mg'), writer.numberOf('Mg'), writer.numberOf('é')], [0, child, undefined]);
  writer.parent(other, 'mG');
  const { unknownParents } = await writer.finish();
  assert.equal(unknownParents.count, 0);
  const system = await opened('http://any-case');
  const found = await Promise.all(['mg', 'Mg', 'MG', 'É', 'é', 'x'].map((code) => system.concept(code)));
  assert.deepEqual(
    found.map((concept) => concept?.code),
    ['MG', 'Mg', 'MG', 'É', undefined, undefined],
  );
});

test('what was made of a CodeSystem that is stored no more leaves', async () => {
  const writers = await Promise.all(
    ['kept', 'gone'].map((id) => writeSystem(db, newSystem(`http://${id}`, { resource: { id, version: 1 } }))),
  );
  for (const writer of writers) await writer.finish();
  await clearUp(db, async (id, version) => id !== 'gone' && version === 1);
  const urls = (await activeSystems(db)).map(({ url }) => url);
  assert.deepEqual([urls.includes('http://kept'), urls.includes('http://gone')], [true, false]);
});

test('who has lost its hold writes no more once another has taken it up', async () => {
  const mark = { files: 'f', ordinal: 1 };
  const first = await writeSystem(db, newSystem('http://taken'), mark);
  first.add({ code: 'a', display: 'x'.repeat(5_000_000) });
  await first.drain();
  // All is committed, but it is not there yet.
  await assert.rejects(
    first.finish(() => assert.fail('not now')),
    /not now/,
  );
  const other = await writeSystem(db, newSystem('http://taken'), mark);
  assert.equal(other.present, 0);
  await other.abandon();
  // Of this database: other test files have systems of the same number in the same cluster.
  const holds = `from pg_locks where locktype = 'advisory' and objid = $1
    and database = (select oid from pg_database where datname = current_database())`;
  await db.query({ text: `select pg_terminate_backend(pid) ${holds}` }, [first.cs]);
  const isFree = async (): Promise<boolean> => (await db.query({ text: `select ${holds}` }, [first.cs])).length === 0;
  await waitFor(isFree, 'the lock to go');
  const second = await writeSystem(db, newSystem('http://taken'), mark);
  assert.deepEqual([second.cs, second.present], [first.cs, 1]);
  first.add({ code: 'b' });
  await assert.rejects(first.finish(), /taken up by another load/);
  await first.leave();
  assert.throws(() => second.add({ code: 'other' }), /otherwise/);
  await second.abandon();
  assert.deepEqual(await tablesOf(first.cs), []);
});

test('two loads of the same release end with one of them', async () => {
  const writers = await Promise.all([1, 2].map(() => writeSystem(db, newSystem('http://twice'))));
  for (const writer of writers) writer.add({ code: 'a' });
  await Promise.all(writers.map((writer) => writer.finish()));
  assert.equal((await activeSystems(db)).filter(({ url }) => url === 'http://twice').length, 1);
});
