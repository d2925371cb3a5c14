// Criteria that name other entries of their transaction: https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { EntryResult, Resource, TransactionEntry } from '#fhir-model';
import { CerebraError, type Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { everything, testCore } from '../testing.ts';
import { type BatchResult, batch } from './batch.ts';
import type { Core } from './core.ts';
import { transaction } from './transaction.ts';

let db: Db;
let core: Core;

before(async () => {
  db = await testDatabase();
  core = await testCore(db);
});

const urn = (n: number): string => `urn:uuid:6c0ab1a5-0000-4000-8000-00000000000${n}`;
const identifier = (value: string) => [{ system: 'urn:n', value }];
const run = (entries: TransactionEntry[]): Promise<EntryResult[]> => transaction(core, entries, { scope: everything });
const ofStatus = (results: EntryResult[]): number[] => results.map(({ status }) => status);
const idsOf = (results: EntryResult[]): string[] => results.map(({ type, id }) => `${type}/${id}`);

const patient = (value: string, more: Partial<TransactionEntry> = {}): TransactionEntry => ({
  method: 'POST',
  url: 'Patient',
  ifNoneExist: `identifier=urn:n|${value}`,
  resource: { resourceType: 'Patient', identifier: identifier(value) },
  ...more,
});
const encounter = (value: string, subject: string, more: Partial<TransactionEntry> = {}): TransactionEntry => ({
  method: 'POST',
  url: 'Encounter',
  ifNoneExist: `identifier=urn:n|${value}&subject=${subject}`,
  resource: {
    resourceType: 'Encounter',
    identifier: identifier(value),
    status: 'planned',
    class: { code: 'AMB' },
    subject: { reference: subject },
  },
  ...more,
});
const observation = (value: string, of: string, more: Partial<TransactionEntry> = {}): TransactionEntry => ({
  method: 'POST',
  url: 'Observation',
  ifNoneExist: `identifier=urn:n|${value}&encounter=${of}`,
  resource: {
    resourceType: 'Observation',
    identifier: identifier(value),
    status: 'final',
    code: { text: 't' },
    encounter: { reference: of },
  },
  ...more,
});
const bodyOf = ({ body }: EntryResult): Resource => JSON.parse(body) as Resource;
const fault = (status: number, expression: string) => (error: unknown) =>
  error instanceof CerebraError && error.status === status && error.issues[0]?.expression?.[0] === expression;

describe('criteria that name another entry', () => {
  test('the same transaction twice creates nothing twice, to any depth and in any order', async () => {
    const entries = [
      observation('o1', urn(2)),
      encounter('e1', urn(1), { fullUrl: urn(2) }),
      patient('p1', { fullUrl: urn(1) }),
    ];
    const first = await run(entries);
    assert.deepEqual(ofStatus(first), [201, 201, 201]);
    assert.deepEqual(bodyOf(first[0]!).encounter, { reference: `Encounter/${first[1]!.id}` });
    assert.deepEqual(bodyOf(first[1]!).subject, { reference: `Patient/${first[2]!.id}` });
    const second = await run(entries);
    assert.deepEqual(ofStatus(second), [200, 200, 200]);
    assert.deepEqual(idsOf(second), idsOf(first));
  });

  test('by a fullUrl of this server, absolute or relative', async () => {
    const fullUrl = `${core.baseUrl}/Patient/own`;
    const entries = [patient('own', { fullUrl }), encounter('own', fullUrl), encounter('own-too', 'Patient/own')];
    const first = await run(entries);
    assert.deepEqual(ofStatus(first), [201, 201, 201]);
    assert.deepEqual(bodyOf(first[2]!).subject, { reference: `Patient/${first[0]!.id}` });
    const second = await run(entries);
    assert.deepEqual(ofStatus(second), [200, 200, 200]);
    assert.deepEqual(idsOf(second), idsOf(first));
  });

  test('twenty of them at the same moment create nothing twice', async () => {
    const entries = [patient('race', { fullUrl: urn(1) }), encounter('race', urn(1))];
    const all = await Promise.all(Array.from({ length: 20 }, () => run(entries)));
    assert.equal(new Set(all.map((results) => idsOf(results).join())).size, 1);
    assert.equal(all.filter((results) => results[1]!.status === 201).length, 1);
  });

  test('a patient that is created: nothing stored is about it, but other entries may be', async () => {
    const made = await run([
      patient('new', { fullUrl: urn(1) }),
      encounter('twice', urn(1), { fullUrl: urn(2) }),
      encounter('twice', urn(1), { fullUrl: urn(3) }),
    ]);
    assert.deepEqual(ofStatus(made), [201, 201, 200]);
    assert.equal(made[1]!.id, made[2]!.id);
  });

  test('update and delete by such criteria', async () => {
    const [made, visit] = await run([patient('cud', { fullUrl: urn(1) }), encounter('cud', urn(1))]);
    const url = `Encounter?subject=${urn(1)}`;
    const { id: _id, ...rest } = bodyOf(visit!);
    const resource = { ...rest, status: 'arrived', subject: { reference: urn(1) } } as Resource;
    const named = patient('cud', { fullUrl: urn(1) });
    const updated = await run([named, { method: 'PUT', url, resource }]);
    assert.deepEqual(idsOf(updated), [`Patient/${made!.id}`, `Encounter/${visit!.id}`]);
    assert.equal(bodyOf(updated[1]!).status, 'arrived');
    const gone = await run([{ method: 'DELETE', url }, named]);
    assert.equal(gone[0]!.deletions, 1);
    assert.equal(gone[1]!.id, made!.id);
  });

  test('a patient that has its id from the request, below a reference of a chain, among alternatives', async () => {
    const put: TransactionEntry = {
      method: 'PUT',
      url: 'Patient/named-put',
      fullUrl: urn(1),
      resource: { resourceType: 'Patient', id: 'named-put' },
    };
    const [, visit, seen] = await run([put, encounter('put', urn(1), { fullUrl: urn(2) }), observation('put', urn(2))]);
    const found = await run([
      put,
      observation('put', `Encounter/${visit!.id}`, { ifNoneExist: `encounter.subject=Patient/none,${urn(1)}` }),
    ]);
    assert.deepEqual(idsOf(found), ['Patient/named-put', `Observation/${seen!.id}`]);
  });

  test('a token that looks like the fullUrl of an entry stays what it is', async () => {
    const oid = 'urn:oid:1.2.3.4.5';
    const document = (): TransactionEntry => ({
      method: 'POST',
      url: 'DocumentReference',
      fullUrl: oid,
      ifNoneExist: `identifier=urn:ietf:rfc:3986|${oid}`,
      resource: {
        resourceType: 'DocumentReference',
        status: 'current',
        identifier: [{ system: 'urn:ietf:rfc:3986', value: oid }],
        content: [{ attachment: { url: 'http://example.org/a' } }],
      },
    });
    const [first] = await run([document()]);
    const [second] = await run([document()]);
    assert.deepEqual([first!.status, second!.status, second!.id], [201, 200, first!.id]);
  });

  test('entries whose criteria name each other are refused', async () => {
    const one = encounter('cycle', `Patient/x&diagnosis=${urn(2)}`, { fullUrl: urn(1) });
    one.resource!.subject = { reference: 'Patient/x' };
    const condition: TransactionEntry = {
      method: 'POST',
      url: 'Condition',
      fullUrl: urn(2),
      ifNoneExist: `encounter=${urn(1)}`,
      resource: { resourceType: 'Condition', subject: { reference: 'Patient/x' } },
    };
    await assert.rejects(run([one, condition]), fault(400, 'Bundle.entry[0].request'));
  });

  test('a long row of entries, each of which names the one before, is refused', async () => {
    const row = Array.from({ length: 11 }, (_, i) =>
      encounter(`row-${i}`, 'Patient/x', {
        fullUrl: `${urn(1)}${i}`,
        ifNoneExist: `identifier=urn:n|row-${i}&part-of=${urn(1)}${i - 1}`,
      }),
    );
    assert.deepEqual(new Set(ofStatus(await run(row.slice(0, 9)))), new Set([201]));
    await assert.rejects(run(row.slice(0, 10)), fault(400, 'Bundle.entry[9].request'));
  });

  test('entries of a batch can’t', async () => {
    const entries = [patient('batch', { fullUrl: urn(1) }), encounter('batch', urn(1))];
    const answer = () => Promise.reject(new Error('nothing is read'));
    const shown = (result: EntryResult) => result;
    const onFault = (error: unknown) => assert.fail(String(error));
    const results: BatchResult[] = await batch({ core, scope: everything, answer, shown, onFault }, entries);
    assert.equal(results[0]!.kind, 'done');
    const [, failed] = results;
    assert.ok(failed?.kind === 'failed');
    assert.deepEqual([failed.status, failed.issues[0]?.expression], [400, ['Bundle.entry[1].request.ifNoneExist']]);
  });
});
