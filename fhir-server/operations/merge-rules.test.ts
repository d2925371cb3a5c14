// What Patient/$merge refuses: https://build.fhir.org/patient-operation-merge.html#error-codes
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { createWriter } from '../ports.ts';
import { storeDelete } from '../store/store.ts';
import { assertStoreSound, everything, nothing } from '../testing.ts';
import { invoke } from './invoke.ts';
import {
  begin,
  both,
  core,
  identifier,
  idsOf,
  merge,
  observation,
  patient,
  put,
  read,
  reference,
  refuses,
} from './testing/merge.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

beforeEach(() => begin(db));

describe('which patients', () => {
  test('by identifiers, alone, beside a reference and within one', async () => {
    await merge([
      identifier('source-patient-identifier', 'mrn-s'),
      { name: 'target-patient', valueReference: { identifier: { value: 'mrn-t' } } },
    ]);
    assert.equal((await read('Patient', 's')).active, false);
    // The source is found no more: its identifiers are the target's now.
    await refuses(
      [identifier('source-patient-identifier', 'mrn-s'), reference('target-patient', 't')],
      422,
      /same, Patient\/t: they may be merged already/,
    );
  });

  test('identifiers that the patient has not', async () => {
    await refuses(
      [...both('s', 't'), identifier('source-patient-identifier', 'mrn-t')],
      422,
      /does not have all of the identifiers/,
      'source-patient-identifier',
    );
    await refuses(
      [...both('s', 't'), identifier('target-patient-identifier', 'mrn-s')],
      422,
      /target, Patient\/t, does not have all of the identifiers/,
      'target-patient-identifier',
    );
    await refuses(
      [identifier('source-patient-identifier', 'none'), reference('target-patient', 't')],
      422,
      /No patient has/,
      'source-patient-identifier',
    );
    await refuses(
      [{ name: 'source-patient-identifier', valueIdentifier: { value: '1' } }, reference('target-patient', 't')],
      422,
      /More than one patient/,
    );
    await refuses(
      [{ name: 'source-patient-identifier', valueIdentifier: { system: 'urn:x' } }, reference('target-patient', 't')],
      400,
      /needs a value/,
    );
  });

  test('missing, unknown, deleted, elsewhere, the same', async () => {
    await refuses([reference('target-patient', 't')], 400, /which patient is the source/, 'source-patient');
    await refuses([reference('source-patient', 's')], 400, /which patient is the target/, 'target-patient');
    await refuses(both('none', 't'), 422, /source, Patient\/none, is not known/, 'source-patient');
    await refuses(both('s', 'none'), 422, /target, Patient\/none, is not known/, 'target-patient');
    await refuses(both('s', 's'), 422, /are the same/, 'target-patient');
    await refuses(
      [{ name: 'source-patient', valueReference: { reference: 'Group/1' } }, reference('target-patient', 't')],
      400,
      /must refer to a patient of this server/,
    );
    await refuses(
      [
        { name: 'source-patient', valueReference: { reference: 'Patient/s/_history/1' } },
        reference('target-patient', 't'),
      ],
      400,
      /must refer to a patient of this server/,
      'source-patient',
    );
    await refuses(
      [{ name: 'source-patient', valueReference: { display: 'x' } }, reference('target-patient', 't')],
      400,
      /neither a reference nor an identifier/,
    );
    await storeDelete(core.store, 'Patient', 's', undefined, everything);
    await refuses(both('s', 't'), 422, /source, Patient\/s, is not known or was deleted/);
  });

  test('by an identifier that many who were merged into others have kept', async () => {
    const kept = [{ system: 'urn:test:mrn', value: 'kept' }];
    const link = [{ other: { reference: 'Patient/stays' }, type: 'replaced-by' }];
    const former = async (...ids: string[]) => {
      for (const id of ids) await put(patient(id, { identifier: kept, link }));
    };
    await former('k1', 'k2', 'k3');
    await put(patient('stays', { identifier: kept }));
    await former('k4', 'k5', 'k6');
    await merge([identifier('source-patient-identifier', 'kept'), reference('target-patient', 't')]);
    assert.equal((await read('Patient', 'stays')).active, false);
  });

  test('links between the two give way to the one that counts', async () => {
    const seeAlso = (id: string) => [{ other: { reference: `Patient/${id}` }, type: 'seealso' }];
    await put(patient('s', { link: seeAlso('t') }));
    await put(patient('t', { link: seeAlso('s') }));
    await merge(both('s', 't'));
    const links = await Promise.all(['s', 't'].map(async (id) => (await read('Patient', id)).link));
    assert.deepEqual(links, [
      [{ other: { reference: 'Patient/t' }, type: 'replaced-by' }],
      [{ other: { reference: 'Patient/s' }, type: 'replaces' }],
    ]);
  });

  test('merged before, inactive, in a circle', async () => {
    await put(patient('u'));
    await merge(both('s', 't'));
    await refuses(both('s', 't'), 422, /source, Patient\/s, was merged into another/, 'source-patient');
    await refuses(both('t', 's'), 422, /target, Patient\/s, was merged into another/, 'target-patient');
    await refuses(both('u', 's'), 422, /target, Patient\/s, was merged into another/, 'target-patient');
    await put(patient('i', { active: false }));
    await refuses(both('u', 'i'), 422, /not active/, 'target-patient');
    await merge(both('i', 'u'));
  });
});

describe('a result', () => {
  const result = (more: JsonObject): JsonObject => ({
    name: 'result-patient',
    resource: patient('t', {
      birthDate: '1980-01-01',
      link: [{ other: { reference: 'Patient/s' }, type: 'replaces' }],
      ...more,
    }),
  });

  test('is what the target becomes', async () => {
    await merge([...both('s', 't'), result({ identifier: [{ system: 'urn:test:mrn', value: 'new' }] })]);
    const target = await read('Patient', 't');
    assert.deepEqual([target.birthDate, target.identifier], ['1980-01-01', [{ system: 'urn:test:mrn', value: 'new' }]]);
    // What the result leaves out stays where it was.
    assert.deepEqual(await idsOf('Patient', 'identifier=urn:test:mrn|mrn-s'), ['s']);
  });

  test('must be the target, have the link and the identifiers, and be active', async () => {
    await refuses([...both('s', 't'), result({ id: 's' })], 400, /must be that of the target, t/, 'result-patient');
    await refuses([...both('s', 't'), result({ link: [] })], 400, /link/);
    await refuses(
      [...both('s', 't'), result({ link: [{ other: { reference: 'Patient/s' }, type: 'seealso' }] })],
      400,
      /must have a link of type replaces/,
    );
    const ofAnother = [{ other: { reference: 'Patient/u' }, type: 'replaces' }];
    await refuses([...both('s', 't'), result({ link: ofAnother })], 400, /to the source, Patient\/s/);
    await refuses([...both('s', 't'), result({ active: false })], 400, /must be active/);
    await refuses(
      [...both('s', 't'), identifier('source-patient-identifier', 'mrn-s'), result({ identifier: [{ value: 'new' }] })],
      400,
      /must have the identifiers/,
    );
    await refuses(
      [
        ...both('s', 't'),
        identifier('source-patient-identifier', 'mrn-s'),
        result({ identifier: [{ system: 'urn:test:other', value: 'mrn-s' }] }),
      ],
      400,
      /must have the identifiers/,
    );
    const itself = [
      { other: { reference: 'Patient/s' }, type: 'replaces' },
      { other: { reference: 'Patient/t' }, type: 'seealso' },
    ];
    await refuses([...both('s', 't'), result({ link: itself })], 400, /linked to itself/);
    const part = { tag: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }] };
    await refuses([...both('s', 't'), result({ meta: part })], 400, /a part would take the place of the whole/);
    const twice = [
      { other: { reference: 'Patient/s' }, type: 'replaces' },
      { other: { reference: 'Patient/u' }, type: 'replaced-by' },
    ];
    await refuses([...both('s', 't'), result({ link: twice })], 400, /can't be replaced/);
    assert.equal((await read('Patient', 't')).meta?.versionId, '1');
  });
});

describe('If-Match', () => {
  const asking = (ifMatch: string, ...more: JsonObject[]) =>
    merge([...both('s', 't'), ...more], everything, { ifMatch });

  test('is about the version of the target', async () => {
    await put(patient('t', { active: true }));
    const preview = { name: 'preview', valueBoolean: true };
    const failed = { code: 'precondition-failed', status: 412, message: /current version is 2/ };
    await assert.rejects(asking('W/"1"'), failed);
    await assert.rejects(asking('W/"1"', preview), failed);
    await assert.rejects(asking('one'), { code: 'invalid' });
    assert.deepEqual(
      [(await read('Patient', 's')).meta?.versionId, (await read('Patient', 't')).meta?.versionId],
      ['1', '2'],
    );
    await asking('W/"2"', preview);
    assert.equal((await asking('W/"2"')).result.meta?.versionId, '3');
  });

  test('is needed where the type requires a version', async () => {
    core.versionRequired = new Set(['Patient']);
    await refuses(both('s', 't'), 400, /only with If-Match/, 'If-Match');
    await assert.rejects(asking('*'), { code: 'required' });
    await merge([...both('s', 't'), { name: 'preview', valueBoolean: true }]);
    assert.equal((await asking('W/"1"')).result.meta?.versionId, '2');
  });
});

describe('limits and access', () => {
  test('more references than one merge moves', async () => {
    core.limits.bundleEntriesMax = 2;
    for (const id of ['o1', 'o2', 'o3']) await put(observation(id, 'Patient/s'));
    await refuses(both('s', 't'), 400, /More than 2 resources refer to the source/, 'source-patient');
    const preview = { name: 'preview', valueBoolean: true };
    await refuses([...both('s', 't'), preview], 400, /More than 2 resources refer to the source/, 'source-patient');
    assert.equal((await read('Patient', 's')).meta?.versionId, '1');
    await storeDelete(core.store, 'Observation', 'o3', undefined, everything);
    await merge(both('s', 't'));
    assert.deepEqual(await idsOf('Observation', 'subject=Patient/t'), ['o1', 'o2']);
  });

  test('600 resources, over several portions', async () => {
    const writer = createWriter(core);
    const many = Array.from({ length: 600 }, (_, i) => observation(`n${i}`, 'Patient/s'));
    await writer.createIfAbsent(many, { scope: everything });
    const { issues } = await merge(both('s', 't'));
    assert.match(issues[0]!.diagnostics, /600 resources: 600 Observation$/);
    const [row] = await core.store.db.query<{ n: bigint }>({
      text: `select count(*) as n from r_observation where version = 2`,
    });
    assert.equal(row!.n, 600n);
    await assertStoreSound(core.store);
  });

  test('who may not write', async () => {
    await assert.rejects(merge(both('s', 't'), nothing), { code: 'forbidden', status: 403 });
    await assert.rejects(merge([...both('s', 't'), { name: 'preview', valueBoolean: true }], nothing), { status: 403 });
  });

  test('not with GET', async () => {
    const call = {
      target: { name: 'merge', type: 'Patient' },
      method: 'GET' as const,
      pairs: [],
      scope: everything,
      strict: true,
    };
    await assert.rejects(invoke(core, call), { code: 'method-not-allowed', status: 405 });
  });
});
