// https://hl7.org/fhir/R4/http.html#transaction: what HTTP can't show: large Bundles, lost races, a database that goes away.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Resource, TransactionEntry } from '#fhir-model';
import type { CerebraError, Db, Statement, Tx } from '#platform';
import { random, testDatabase } from '#platform/testing';
import { createReader } from '../ports.ts';
import { assertStoreSound, everything, testCore } from '../testing.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const context = { scope: everything };
const patient = (value: string, more: object = {}): Resource => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:t', value }],
  ...more,
});
const observation = (reference: string, more: object = {}): Resource => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 't' },
  subject: { reference },
  ...more,
});
const post = (resource: Resource, more: Partial<TransactionEntry> = {}): TransactionEntry => ({
  method: 'POST',
  url: resource.resourceType,
  resource,
  ...more,
});
const put = (resource: Resource & { id: string }): TransactionEntry => ({
  method: 'PUT',
  url: `${resource.resourceType}/${resource.id}`,
  resource,
});
const counts = {
  text: 'select (select count(*) from resource) + (select count(*) from resource_history) + (select count(*) from change) as n',
};
const stored = async (type: string, id: string): Promise<Resource> =>
  JSON.parse((await createReader(core).read(type, id, everything))!.body) as Resource;

/** A Bundle that is written in several strides: creates, updates and deletes of what `first` brought, in mixed order. */
const FIRST = 500;
const first = (): TransactionEntry[] =>
  Array.from({ length: FIRST }, (_, i) => put({ ...patient(`large-${i}`), id: `large-${i}` }));
function second(): TransactionEntry[] {
  const next = random(7);
  const urn = 'urn:uuid:5b0ab1a5-0000-4000-8000-00000000aaaa';
  const list: TransactionEntry[] = [post(patient('large-new'), { fullUrl: urn })];
  for (let i = 0; i < FIRST; i++) {
    const id = `large-${i}`;
    if (i % 3 === 0) list.push({ method: 'DELETE', url: `Patient/${id}` });
    else list.push(put({ ...patient(id, { active: true }), id }));
    list.push(post(observation(urn)));
  }
  return list.sort(() => next(3) - 1);
}

describe('a large transaction', () => {
  test('is written whole', async () => {
    await transaction(core, first(), context);
    const results = await transaction(core, second(), context);
    const ops = Map.groupBy(results, ({ op }) => op);
    assert.deepEqual(
      ['create', 'update', 'delete', 'none'].map((op) => ops.get(op as 'create')?.length ?? 0),
      [FIRST + 1, 333, 167, 0],
    );
    const created = results.find(({ type, op }) => type === 'Patient' && op === 'create')!;
    const page = await createReader(core).search(
      'Observation',
      `subject=Patient/${created.id}&_total=accurate`,
      everything,
    );
    assert.equal(page.total, FIRST);
    assert.equal((await stored('Patient', 'large-1')).active, true);
    await assertStoreSound(core.store);
  });

  test('leaves nothing when it fails after all is written, or when the database goes away meanwhile', async () => {
    const before = await db.query(counts);
    const entries = second().filter(({ method }) => method !== 'DELETE');
    const fail = () => Promise.reject(new Error('at the end'));
    await assert.rejects(transaction(core, entries, { ...context, within: fail }), /at the end/);
    assert.deepEqual(await db.query(counts), before);
    const cut = transaction(core, entries, {
      ...context,
      within: async (tx) => {
        const [session] = await tx.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' });
        await db.query({ text: 'select pg_terminate_backend($1)' }, [session!.pid]);
        await tx.query({ text: 'select 1' });
      },
    });
    await assert.rejects(cut, { code: 'unavailable' });
    assert.deepEqual(await db.query(counts), before);
    await assertStoreSound(core.store);
  });
});

describe('a lost race is tried again', () => {
  /** Loses the first two attempts. */
  function losing() {
    let attempts = 0;
    const within = () =>
      ++attempts < 3 ? Promise.reject(Object.assign(new Error('lost'), { code: '40001' })) : Promise.resolve();
    return { context: { ...context, within }, attempts: () => attempts };
  }

  test('with criteria, references and links resolved anew', async () => {
    const race = losing();
    const urn = 'urn:uuid:5b0ab1a5-0000-4000-8000-00000000bbbb';
    const extension = [
      { url: 'http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific', valueBoolean: true },
    ];
    const entries = [
      post(patient('race'), { fullUrl: urn, ifNoneExist: 'identifier=urn:t|race' }),
      post(observation(urn)),
      post(observation('Patient?identifier=urn:t|race')),
      post(observation('Patient/x', { focus: [{ reference: urn, extension }] })),
    ];
    const results = await transaction(core, entries, race.context);
    assert.equal(race.attempts(), 3);
    const [person, byUrn, byCriteria, versioned] = results;
    const reference = `Patient/${person!.id}`;
    assert.deepEqual((await stored('Observation', byUrn!.id)).subject, { reference });
    assert.deepEqual((await stored('Observation', byCriteria!.id)).subject, { reference });
    assert.deepEqual((await stored('Observation', versioned!.id)).focus, [{ reference: `${reference}/_history/1` }]);
    assert.equal((await createReader(core).search('Patient', 'identifier=urn:t|race', everything)).resources.length, 1);
    await assertStoreSound(core.store);
  });

  test('a merge starts from what is there, not from what the lost attempt made', async () => {
    await transaction(core, [put({ ...patient('merge', { name: [{ family: 'A' }] }), id: 'race-merge' })], context);
    const race = losing();
    const merge: NonNullable<TransactionEntry['merge']> = (existing, incoming) => ({
      ...existing!,
      name: [...((existing!.name as object[]) ?? []), ...(incoming.name as object[])] as never,
    });
    const entry = { ...put({ ...patient('merge', { name: [{ family: 'B' }] }), id: 'race-merge' }), merge };
    await transaction(core, [entry], race.context);
    assert.deepEqual((await stored('Patient', 'race-merge')).name, [{ family: 'A' }, { family: 'B' }]);
  });

  test('a merge that yields what is there writes nothing', async () => {
    await transaction(core, [put({ ...patient('same', { active: true }), id: 'same-merge' })], context);
    const before = await db.query(counts);
    const merge: NonNullable<TransactionEntry['merge']> = (existing, incoming) => existing ?? incoming;
    const entry = { ...put({ ...patient('same', { active: false }), id: 'same-merge' }), merge };
    const [result] = await transaction(core, [entry], context);
    assert.deepEqual([result!.op, result!.status, result!.version, result!.id], ['none', 200, 1, 'same-merge']);
    assert.deepEqual(await db.query(counts), before);
    assert.equal((await stored('Patient', 'same-merge')).active, true);
  });

  test('and given up after a few attempts, with nothing stored', async () => {
    const before = await db.query(counts);
    const within = () => Promise.reject(Object.assign(new Error('lost'), { code: '40P01' }));
    await assert.rejects(transaction(core, [post(patient('given-up'))], { ...context, within }), {
      code: 'version-conflict',
      status: 409,
    });
    assert.deepEqual(await db.query(counts), before);
  });
});

describe('what criteria match and others change before it is locked', () => {
  const where = 'Patient?identifier=urn:t|between';
  const update = (resource = patient('between', { active: true })): TransactionEntry => ({
    method: 'PUT',
    url: where,
    resource,
  });

  /** The core of a caller in whose transactions `work` is done, once, when the criteria have been looked up. */
  function interrupted(work: () => Promise<unknown>): Core {
    let done = false;
    const query =
      (tx: Tx) =>
      async <R>(statement: Statement, values?: unknown[]): Promise<R[]> => {
        const rows = await tx.query<R>(statement, values);
        if (statement.name !== 'by_tokens_all_Patient' || done) return rows;
        done = true;
        await work();
        return rows;
      };
    const between: Db = { ...db, tx: (run) => db.tx((tx) => run({ ...tx, query: query(tx) })) };
    return { ...core, store: { ...core.store, db: between } };
  }

  const fresh = async (): Promise<string> => {
    await transaction(core, [{ method: 'DELETE', url: where }], context);
    await transaction(core, [update(patient('between'))], context);
    // Criteria that are known to match are looked up without their lock, so that others can come between.
    const [made] = await transaction(core, [update(patient('between'))], context);
    return made!.id;
  };

  test('deleted: it does not come back beside what others have created', async () => {
    const old = await fresh();
    let created = '';
    const work = async () => {
      created = await fresh();
    };
    const [result] = await transaction(interrupted(work), [update()], context);
    assert.deepEqual([result!.id, result!.op], [created, 'update']);
    assert.equal((await createReader(core).read('Patient', old, everything))!.deleted, true);
    assert.equal((await stored('Patient', created)).active, true);
  });

  test('changed, so that it matches no more: another one is created', async () => {
    const old = await fresh();
    const work = () => transaction(core, [put({ ...patient('renamed'), id: old })], context);
    const [result] = await transaction(interrupted(work), [update()], context);
    assert.notEqual(result!.id, old);
    assert.deepEqual((await stored('Patient', old)).identifier, patient('renamed').identifier);
  });

  test('changed, and it still matches: the change is followed', async () => {
    const old = await fresh();
    const work = () => transaction(core, [put({ ...patient('between', { gender: 'other' }), id: old })], context);
    const [result] = await transaction(interrupted(work), [update()], context);
    assert.deepEqual([result!.id, result!.version], [old, 4]);
    await assertStoreSound(core.store);
  });
});

describe('conditional entries of many', () => {
  const entries = (from: number, count: number): TransactionEntry[] =>
    Array.from({ length: count }, (_, i) => {
      const value = `many-${from + i}`;
      return post(patient(value), { ifNoneExist: `identifier=urn:t|${value}` });
    });

  test('several transactions at once, overlapping: each resource once', async () => {
    const starts = [0, 100, 200, 50, 0, 150];
    const all = await Promise.all(starts.map((from) => transaction(core, entries(from, 300), context)));
    const created = all.flat().filter(({ op }) => op === 'create');
    assert.equal(created.length, 500);
    const again = await transaction(core, entries(0, 500), context);
    assert.deepEqual(new Set(again.map(({ status }) => status)), new Set([200]));
    assert.deepEqual(new Set(again.map(({ id }) => id)), new Set(created.map(({ id }) => id)));
    await assertStoreSound(core.store);
  });

  test('by criteria that one token does not decide: the same answers', async () => {
    const list = [
      'identifier=urn:t|many-1&active:missing=true',
      'identifier=urn:t|many-1,urn:t|none',
      'identifier=many-1',
      '_id=none',
      'identifier:not=urn:t|many-1&identifier=urn:t|many-2',
      'identifier=urn:t|',
      'name=nobody',
    ];
    const outcomes = [];
    for (const ifNoneExist of list) {
      const one = transaction(core, [post(patient('other'), { ifNoneExist })], {
        ...context,
        within: () => Promise.reject(new Error('created or found')),
      });
      outcomes.push(await one.catch((error: { code?: string; message: string }) => error.code ?? error.message));
    }
    const found = 'created or found';
    assert.deepEqual(outcomes, [found, found, found, found, found, 'multiple-matches', found]);
    const [hit] = await transaction(core, [post(patient('x'), { ifNoneExist: list[1]! })], context);
    assert.equal(hit!.status, 200);
  });

  test('by several tokens, all or any of them: each finds its own', async () => {
    const two = { resourceType: 'Patient', gender: 'male', identifier: [{ system: 'urn:t', value: 'two-a' }] };
    await transaction(core, [post(patient('two-b')), post(two)], context);
    const results = await transaction(
      core,
      [
        'identifier=urn:t|two-a&gender=male',
        'identifier=urn:t|two-b,urn:t|none',
        'identifier=urn:t|two-a&gender=female',
      ].map((ifNoneExist, index) => post(patient(`two-new-${index}`), { ifNoneExist })),
      context,
    );
    assert.deepEqual(
      results.map(({ op }) => op),
      ['none', 'none', 'create'],
    );
    const both = transaction(
      core,
      [post(patient('x'), { ifNoneExist: 'identifier=urn:t|two-a,urn:t|two-b' })],
      context,
    );
    await assert.rejects(both, { code: 'multiple-matches', status: 412 });
  });

  test('criteria of several tokens that match what another entry creates are refused', async () => {
    const made = { ...patient('twin-a'), gender: 'male' };
    const attempt = (ifNoneExist: string) =>
      transaction(core, [post(made), post(patient('twin-b'), { ifNoneExist })], context);
    const expression = ['Bundle.entry[1].request', 'Bundle.entry[0]'];
    for (const ifNoneExist of ['identifier=urn:t|twin-a&gender=male', 'identifier=urn:t|twin-z,urn:t|twin-a']) {
      await assert.rejects(attempt(ifNoneExist), (error: CerebraError) => {
        assert.deepEqual([error.code, error.issues[0]!.expression], ['invalid', expression]);
        return true;
      });
    }
    const results = await attempt('identifier=urn:t|twin-a&gender=female');
    assert.deepEqual(
      results.map(({ op }) => op),
      ['create', 'create'],
    );
  });
});

describe('a storm of mixed transactions', () => {
  const next = random(23);
  const value = () => `storm-${next(6)}`;
  const where = (one: string) => `Patient?identifier=urn:t|${one}`;
  const kinds: (() => TransactionEntry)[] = [
    () => {
      const one = value();
      return post(patient(one), { ifNoneExist: `identifier=urn:t|${one}` });
    },
    () => {
      const one = value();
      return { method: 'PUT', url: where(one), resource: patient(one, { active: next(2) === 0 }) };
    },
    () => ({ method: 'DELETE', url: where(value()) }),
    () => put({ ...patient(value()), id: `storm-id-${next(4)}` }),
    () => ({ method: 'DELETE', url: `Patient/storm-id-${next(4)}` }),
    () => post(observation(where(value()))),
    () => ({
      method: 'PATCH',
      url: where(value()),
      resource: {
        resourceType: 'Binary',
        contentType: 'application/merge-patch+json',
        data: Buffer.from(JSON.stringify({ birthDate: `2000-01-0${next(9) + 1}` })).toString('base64'),
      },
    }),
  ];
  /** What a transaction may be told here: overlaps, criteria with no or several matches, lost races. */
  const expected = new Set([
    'invalid',
    'multiple-matches',
    'precondition-failed',
    'not-found',
    'deleted',
    'version-conflict',
  ]);

  test('each is done or refused with a reason, and the store stays sound', async () => {
    const some = () => Array.from({ length: 1 + next(4) }, () => kinds[next(kinds.length)]!());
    const outcomes = await Promise.all(
      Array.from({ length: 240 }, () =>
        transaction(core, some(), context).then(
          () => 'done',
          (error: { code?: string; message: string }) => error.code ?? error.message,
        ),
      ),
    );
    assert.deepEqual(
      outcomes.filter((outcome) => outcome !== 'done' && !expected.has(outcome)),
      [],
    );
    assert.ok(outcomes.includes('done'));
    await assertStoreSound(core.store);
    // Conditional writes make no two of one identifier; those by id do as they like.
    for (let i = 0; i < 6; i++) {
      const { resources } = await createReader(core).search('Patient', `identifier=urn:t|storm-${i}`, everything);
      const assigned = resources.filter(({ id }) => !id.startsWith('storm-id-'));
      assert.ok(assigned.length <= 1, `${assigned.length} of storm-${i}`);
    }
  });
});
