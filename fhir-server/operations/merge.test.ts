// What Patient/$merge makes of the patients, and of what refers to them: https://build.fhir.org/patient-operation-merge.html
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import { createWriter } from '../ports.ts';
import { readCurrent, readVersion } from '../store/read.ts';
import { assertStoreSound, everything } from '../testing.ts';
import { begin, both, core, idsOf, merge, observation, patient, put, read, refuses } from './testing/merge.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

beforeEach(() => begin(db));

describe('a merge', () => {
  test('links the patients, copies identifiers and leaves the rest of both', async () => {
    const { issues, result, input } = await merge(both('s', 't'));
    const source = await read('Patient', 's');
    assert.deepEqual(
      [source.active, source.link, source.identifier, source.name, source.meta?.versionId],
      [false, [{ other: { reference: 'Patient/t' }, type: 'replaced-by' }], undefined, [{ family: 'Family-s' }], '2'],
    );
    assert.deepEqual(await idsOf('Patient', 'identifier=urn:test:mrn|mrn-s'), ['t']);
    const target = await read('Patient', 't');
    assert.deepEqual(
      [target.active, target.link, target.identifier, target.name, target.meta?.versionId],
      [
        undefined,
        [{ other: { reference: 'Patient/s' }, type: 'replaces' }],
        [
          { system: 'urn:test:mrn', value: 'mrn-t' },
          { system: 'urn:test:card', value: '1' },
          { system: 'urn:test:mrn', value: 'mrn-s', use: 'old' },
        ],
        [{ family: 'Family-t' }],
        '2',
      ],
    );
    assert.deepEqual(result, target);
    assert.deepEqual(input.parameter, both('s', 't'));
    assert.deepEqual(issues, [
      {
        severity: 'information',
        code: 'informational',
        diagnostics: 'Patient/s was merged into Patient/t; references were moved in 0 resources',
      },
    ]);
    await assertStoreSound(core.store);
  });

  test('moves all references: each resource gets a version, history and a change', async () => {
    await put(observation('o1', 'Patient/s', { performer: [{ reference: 'Patient/s' }, { reference: 'Patient/t' }] }));
    await put(observation('o2', `${core.baseUrl}/Patient/s`));
    await put(observation('o3', 'Patient/s/_history/1'));
    await put(observation('o4', 'Patient/t', { note: [{ text: 'n', authorReference: { reference: 'Patient/s' } }] }));
    await put(observation('other', 'Patient/x', { identifier: [{ value: 'Patient/s' }] }));
    await put({
      resourceType: 'Group',
      id: 'g',
      type: 'person',
      actual: true,
      member: [{ entity: { reference: 'Patient/x' } }, { entity: { reference: 'Patient/s' } }],
    });
    await put({ resourceType: 'RelatedPerson', id: 'r', patient: { reference: 'Patient/s' } });
    await put({
      resourceType: 'Encounter',
      id: 'e',
      status: 'finished',
      class: { code: 'AMB' },
      subject: { reference: '#p' },
      contained: [
        { resourceType: 'Patient', id: 'p' },
        { resourceType: 'Basic', id: 'b', code: { text: 'c' }, subject: { reference: 'Patient/s' } },
      ],
    });
    await put(patient('x', { link: [{ other: { reference: 'Patient/s' }, type: 'seealso' }] }));
    await put({
      resourceType: 'Provenance',
      id: 'v',
      target: [{ reference: 'Patient/s/_history/1' }, { reference: 'Patient/s' }],
      recorded: '2020-01-01T00:00:00Z',
      agent: [{ who: { display: 'x' } }],
    });
    const { issues } = await merge(both('s', 't'));
    assert.equal(
      issues[0]!.diagnostics,
      'Patient/s was merged into Patient/t; references were moved in 7 resources: 1 Group, 3 Observation, 1 Patient, 1 Provenance, 1 RelatedPerson',
    );
    const o1 = await read('Observation', 'o1');
    assert.deepEqual(
      [o1.subject, o1.performer, o1.meta?.versionId],
      [{ reference: 'Patient/t' }, [{ reference: 'Patient/t' }, { reference: 'Patient/t' }], '2'],
    );
    assert.deepEqual((await read('Observation', 'o2')).subject, { reference: `${core.baseUrl}/Patient/t` });
    assert.deepEqual((await read('Observation', 'o3')).subject, { reference: 'Patient/t' });
    assert.deepEqual((await read('Group', 'g')).member, [
      { entity: { reference: 'Patient/x' } },
      { entity: { reference: 'Patient/t' } },
    ]);
    assert.deepEqual((await read('Patient', 'x')).link, [{ other: { reference: 'Patient/t' }, type: 'seealso' }]);
    assert.deepEqual((await read('Provenance', 'v')).target, [
      { reference: 'Patient/s/_history/1' },
      { reference: 'Patient/t' },
    ]);
    assert.equal((await read('Observation', 'other')).meta?.versionId, '1');
    const before = await readVersion(core.store.db, 'Observation', 'o1', 1, everything);
    assert.deepEqual(JSON.parse(before!.body).subject, { reference: 'Patient/s' });
    assert.deepEqual(await idsOf('Observation', 'subject=Patient/s'), []);
    assert.deepEqual(await idsOf('Observation', 'subject=Patient/t'), ['o1', 'o2', 'o3', 'o4']);
    await assertStoreSound(core.store);
  });

  test('is recorded as a Provenance of both versions', async () => {
    await merge(both('s', 't'));
    const [id, ...more] = await idsOf('Provenance', 'target=Patient/s');
    assert.deepEqual(more, []);
    const { target, activity } = await read('Provenance', id!);
    assert.deepEqual(target, [{ reference: 'Patient/t/_history/2' }, { reference: 'Patient/s/_history/2' }]);
    assert.equal(activity.coding[0].code, 'merge');
  });

  test('keeps the digits of decimals in what it moves', async () => {
    const body = `{"resourceType":"Observation","id":"d","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/s"},"valueQuantity":{"value":1.50}}`;
    const { parseJson } = await import('#fhir-model');
    await put(parseJson(body).exact as Resource & { id: string });
    await merge(both('s', 't'));
    const found = await readCurrent(core.store.db, 'Observation', 'd', everything);
    assert.match(found!.body, /"value":1\.50\}/);
  });

  test('several into one, and the one into another', async () => {
    await put(patient('u'));
    await put(observation('o', 'Patient/s'));
    await merge(both('s', 't'));
    await merge(both('u', 't'));
    await put(patient('w'));
    await merge(both('t', 'w'));
    assert.deepEqual((await read('Observation', 'o')).subject, { reference: 'Patient/w' });
    assert.deepEqual((await read('Patient', 's')).link, [{ other: { reference: 'Patient/w' }, type: 'replaced-by' }]);
    assert.deepEqual((await read('Patient', 't')).link, [
      { other: { reference: 'Patient/s' }, type: 'replaces' },
      { other: { reference: 'Patient/u' }, type: 'replaces' },
      { other: { reference: 'Patient/w' }, type: 'replaced-by' },
    ]);
    assert.deepEqual(
      (await read('Patient', 'w')).identifier.map(({ value, use }: JsonObject) => `${value} ${use}`),
      ['mrn-w official', 'mrn-t old', '1 old', 'mrn-s old', 'mrn-u old'],
    );
    await assertStoreSound(core.store);
  });
});

describe('a preview', () => {
  test('changes nothing, and tells what would', async () => {
    await put(observation('o1', 'Patient/s'));
    await put(observation('o2', 'Patient/s'));
    await put(observation('o3', 'Patient/s'));
    await put(observation('o4', 'Patient/t'));
    const { issues, result } = await merge([...both('s', 't'), { name: 'preview', valueBoolean: true }]);
    assert.deepEqual(
      issues.map(({ severity, diagnostics }) => [severity, diagnostics]),
      [
        ['information', 'Nothing was changed. The merge would move the references of 3 resources: 3 Observation'],
        ['warning', '3 resources refer to the source, 1 to the target: consider a merge the other way round'],
      ],
    );
    assert.deepEqual(
      [result.id, result.meta, result.link],
      ['t', undefined, [{ other: { reference: 'Patient/s' }, type: 'replaces' }]],
    );
    for (const [type, id] of [
      ['Patient', 's'],
      ['Patient', 't'],
      ['Observation', 'o1'],
    ] as const) {
      assert.equal((await read(type, id)).meta?.versionId, '1');
    }
    assert.deepEqual(await idsOf('Provenance', ''), []);
  });

  test('refuses what the merge would refuse', async () => {
    await refuses([...both('s', 'none'), { name: 'preview', valueBoolean: true }], 422, /not known/);
  });
});

describe('at the same time', () => {
  const outcome = (work: Promise<unknown>) =>
    work.then(
      () => 200,
      (error: { status?: number }) => error.status ?? 500,
    );

  test('the same merge five times is one', async () => {
    await put(observation('o', 'Patient/s'));
    const statuses = await Promise.all(Array.from({ length: 5 }, () => outcome(merge(both('s', 't')))));
    assert.deepEqual(statuses.sort(), [200, 422, 422, 422, 422]);
    assert.equal((await read('Observation', 'o')).meta?.versionId, '2');
    await assertStoreSound(core.store);
  });

  test('each into the other: one wins', async () => {
    const statuses = await Promise.all([outcome(merge(both('s', 't'))), outcome(merge(both('t', 's')))]);
    assert.deepEqual(statuses.sort(), [200, 422]);
    const [s, t] = [await read('Patient', 's'), await read('Patient', 't')];
    assert.equal([s, t].filter(({ active }) => active === false).length, 1);
    await assertStoreSound(core.store);
  });

  test('several into one', async () => {
    const sources = ['a', 'b', 'c', 'd'];
    for (const id of sources) {
      await put(patient(id));
      await put(observation(`o-${id}`, `Patient/${id}`));
    }
    assert.deepEqual(await Promise.all(sources.map((id) => outcome(merge(both(id, 't'))))), [200, 200, 200, 200]);
    const { link, identifier: own } = await read('Patient', 't');
    assert.deepEqual(
      link.map(({ other }: { other: { reference: string } }) => other.reference).sort(),
      sources.map((id) => `Patient/${id}`),
    );
    assert.equal(own.length, 6);
    assert.deepEqual(await idsOf('Observation', 'subject=Patient/t'), ['o-a', 'o-b', 'o-c', 'o-d']);
    await assertStoreSound(core.store);
  });

  test('updates of what refers to the source: none is lost', async () => {
    const ids = Array.from({ length: 8 }, (_, i) => `o${i}`);
    for (const id of ids) await put(observation(id, 'Patient/s'));
    const updates = ids.map((id) =>
      createWriter(core).transaction(
        [
          {
            method: 'PUT',
            url: `Observation/${id}`,
            resource: observation(id, 'Patient/s'),
            merge: (existing) => ({ ...existing!, issued: '2020-01-01T00:00:00Z' }),
          },
        ],
        { scope: everything },
      ),
    );
    await Promise.all([merge(both('s', 't')), ...updates]);
    for (const id of ids) {
      const { subject, issued, meta } = await read('Observation', id);
      assert.deepEqual([subject, issued, meta?.versionId], [{ reference: 'Patient/t' }, '2020-01-01T00:00:00Z', '3']);
    }
    await assertStoreSound(core.store);
  });

  test('what was under way when the merge was committed is moved as well', async () => {
    const isMerged = async () => (await read('Patient', 's')).active === false;
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const late = createWriter(core).transaction(
      [
        {
          method: 'POST',
          url: 'Observation',
          resource: {
            resourceType: 'Observation',
            status: 'final',
            code: { text: 'late' },
            subject: { reference: 'Patient/s' },
          },
        },
      ],
      {
        scope: everything,
        within: async (tx) => {
          // Behind the write on its connection: once this is answered, that is under way and not only sent.
          await tx.query({ text: 'select' });
          begun();
          await waitFor(isMerged, 'the merge');
        },
      },
    );
    await hasBegun;
    const { issues } = await merge(both('s', 't'));
    const [{ id } = { id: '' }] = await late;
    assert.equal(issues.length, 1, JSON.stringify(issues));
    assert.deepEqual((await read('Observation', id)).subject, { reference: 'Patient/t' });
    await assertStoreSound(core.store);
  });

  test('and what began to write after the merge had, and is under way when that is committed', async () => {
    const isMerged = async () => (await read('Patient', 's')).active === false;
    const id = await put(observation('o', 'Patient/s')).then(() => 'o');
    const free = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const holding = db.tx(async (tx) => {
      await tx.query({ text: 'select from r_observation where id = $1 for update' }, [id]);
      held.resolve();
      await free.promise;
    });
    await held.promise;
    const merging = merge(both('s', 't'));
    const waits = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await waitFor(async () => (await db.query({ text: waits })).length === 1, 'the merge to wait for the row');
    const { id: _, ...late } = observation('late', 'Patient/s');
    const begun = Promise.withResolvers<void>();
    const writing = createWriter(core).transaction([{ method: 'POST', url: 'Observation', resource: late }], {
      scope: everything,
      within: async (tx) => {
        await tx.query({ text: 'select' });
        begun.resolve();
        await waitFor(isMerged, 'the merge');
      },
    });
    await begun.promise;
    free.resolve();
    await holding;
    const { issues } = await merging;
    const [written] = await writing;
    assert.equal(issues.length, 1, JSON.stringify(issues));
    assert.deepEqual((await read('Observation', written!.id)).subject, { reference: 'Patient/t' });
    await assertStoreSound(core.store);
  });

  test('what had only read when the merge was committed, and writes about the source then, is moved as well', async () => {
    const activity = async (where: string): Promise<boolean> => {
      const text = `select from pg_stat_activity where datname = current_database() and ${where}`;
      return (await db.query({ text })).length > 0;
    };
    const identifier = [{ system: 'urn:test:order', value: '1' }];
    await put(observation('late', 'Patient/x', { identifier }));
    const late = observation('late', 'Patient?identifier=urn:test:mrn|mrn-s', { identifier });
    const held = Promise.withResolvers<void>();
    const free = Promise.withResolvers<void>();
    // Neither who holds a table so nor who waits for it has a transaction number.
    const holding = db.tx(async (tx) => {
      await tx.query({ text: 'lock table r_observation in exclusive mode' });
      held.resolve();
      await free.promise;
    });
    await held.promise;
    const writing = createWriter(core).transaction(
      [{ method: 'PUT', url: 'Observation?identifier=urn:test:order|1', resource: late }],
      { scope: everything },
    );
    await waitFor(
      () => activity(`wait_event_type = 'Lock' and backend_xid is null`),
      'the write to wait for the table',
    );
    let isOver = false;
    const merging = merge(both('s', 't')).finally(() => {
      isOver = true;
    });
    const waits = `query like '%pg_snapshot_xip%as over%' and pid <> pg_backend_pid()`;
    await waitFor(async () => isOver || (await activity(waits)), 'the merge to wait for the write');
    free.resolve();
    await holding;
    await writing;
    const { issues } = await merging;
    assert.equal(issues.length, 1, JSON.stringify(issues));
    assert.deepEqual((await read('Observation', 'late')).subject, { reference: 'Patient/t' });
    await assertStoreSound(core.store);
  });

  test('what is under way in another database is not waited for', async (t) => {
    const elsewhere = await testDatabase(t);
    await elsewhere.tx(async (tx) => {
      await tx.query({ text: 'create table busy ()' });
      const { issues } = await merge(both('s', 't'));
      assert.equal(issues.length, 1, JSON.stringify(issues));
    });
  });
});
