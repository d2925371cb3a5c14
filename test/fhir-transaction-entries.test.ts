// Conditional entries of a transaction, and those that collide. https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Element, type EntryIn, identified, jsonPatch, request, statusesOf, writtenBy } from './bundle-entries.ts';
import { assertOutcome, entries, ids, type Reply } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests({ CONDITIONAL_DELETE_MAX: '3' });

const transaction = (entry: EntryIn[], headers: Record<string, string> = {}): Promise<Reply> =>
  fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry }, headers);
const { by, create, patient } = identified('urn:e');
const total = async (value: string): Promise<unknown> => (await fhir('GET', `${by(value)}&_total=accurate`)).json.total;

/** A transaction that is refused and leaves no patient with this identifier. */
async function refused(entry: EntryIn[], status: number, code: string, expression: string, value: string) {
  const reply = await transaction(entry);
  assertOutcome(reply, status, code, expression);
  assert.equal(await total(value), 0, 'nothing is stored');
}

describe('conditional entries', () => {
  test('update: creates, then updates the one that matches, whatever stands first', async () => {
    const entry = [request('PUT', by('cu'), patient('cu', { active: true }))];
    const first = await transaction(entry);
    assert.deepEqual(statusesOf(first), ['201 Created']);
    const second = await transaction([request('GET', by('cu')), ...entry]);
    assert.deepEqual(statusesOf(second), ['200 OK', '200 OK']);
    assert.equal(writtenBy(second, 1), writtenBy(first, 0));
    assert.equal(entries(second)[1]!.response!.etag, 'W/"2"');
  });

  test('update with an id of its own: creates it, refuses another resource’s', async () => {
    const own = await transaction([request('PUT', by('cu-id'), patient('cu-id', { id: 'cu-id' }))]);
    assert.equal(writtenBy(own, 0), 'Patient/cu-id');
    await fhir('PUT', 'Patient/cu-taken', patient('something-else', { id: 'cu-taken' }));
    const taken = await transaction([request('PUT', by('cu-none'), patient('cu-none', { id: 'cu-taken' }))]);
    assertOutcome(taken, 409, 'duplicate', 'Bundle.entry[0].resource.id');
    const other = await transaction([request('PUT', by('cu-id'), patient('cu-id', { id: 'cu-other' }))]);
    assertOutcome(other, 400, 'invalid', 'Bundle.entry[0].resource.id');
  });

  test('update with ifMatch: of the one that matches', async () => {
    await fhir('PUT', 'Patient/cu-match', patient('cu-match', { id: 'cu-match' }));
    const good = await transaction([request('PUT', by('cu-match'), patient('cu-match'), { ifMatch: 'W/"1"' })]);
    assert.deepEqual(statusesOf(good), ['200 OK']);
    const stale = await transaction([request('PUT', by('cu-match'), patient('cu-match'), { ifMatch: 'W/"1"' })]);
    assertOutcome(stale, 412, 'conflict', 'Bundle.entry[0].request.ifMatch');
  });

  test('delete: the one that matches; without a match it is done already; ifMatch counts', async () => {
    await fhir('PUT', 'Patient/cd', patient('cd', { id: 'cd' }));
    const stale = await transaction([request('DELETE', 'Patient/cd', undefined, { ifMatch: 'W/"9"' })]);
    assertOutcome(stale, 412, 'conflict', 'Bundle.entry[0].request.ifMatch');
    const reply = await transaction([request('DELETE', by('cd')), request('DELETE', by('cd-none'))]);
    assert.deepEqual(statusesOf(reply), ['204 No Content', '204 No Content']);
    assert.equal((await fhir('GET', 'Patient/cd')).status, 410);
  });

  test('several matches are refused, each with its place', async () => {
    await fhir('POST', 'Patient', patient('many'));
    await fhir('POST', 'Patient', patient('many'));
    const cases: [EntryIn, string][] = [
      [create('many'), 'Bundle.entry[0].request.ifNoneExist'],
      [request('PUT', by('many'), patient('many')), 'Bundle.entry[0].request.url'],
      [request('PATCH', by('many'), jsonPatch([])), 'Bundle.entry[0].request.url'],
    ];
    for (const [entry, expression] of cases) {
      assertOutcome(await transaction([entry]), 412, 'multiple-matches', expression);
    }
    assert.equal(await total('many'), 2);
  });

  test('delete of several: all of them up to the limit, none beyond it', async () => {
    const put = (id: string, value: string) => fhir('PUT', `Patient/${id}`, patient(value, { id }));
    for (const id of ['cdm-1', 'cdm-2']) await put(id, 'cdm');
    const reply = await transaction([request('DELETE', by('cdm')), create('cdm')], {
      Prefer: 'return=OperationOutcome',
    });
    assert.deepEqual(statusesOf(reply), ['204 No Content', '201 Created']);
    const outcome = entries(reply)[0]!.response!.outcome!.issue as unknown as { diagnostics: string }[];
    assert.equal(outcome[0]!.diagnostics, '2 resources are deleted');
    for (const id of ['cdm-1', 'cdm-2']) assert.equal((await fhir('GET', `Patient/${id}`)).status, 410);
    for (const id of ['cdm-3', 'cdm-4', 'cdm-5', 'cdm-6']) await put(id, 'cdm-many');
    assertOutcome(
      await transaction([request('DELETE', by('cdm-many'))]),
      412,
      'multiple-matches',
      'Bundle.entry[0].request.url',
    );
    assert.equal(await total('cdm-many'), 4);
  });

  test('wrong criteria are told with their place', async () => {
    const unknown = assertOutcome(
      await transaction([create('x', 'no-such=1')]),
      400,
      'not-supported',
      'Bundle.entry[0].request',
    );
    assert.match(unknown.diagnostics, /no-such/);
    const empty = await transaction([request('DELETE', 'Patient?')]);
    assertOutcome(empty, 400, 'value', 'Bundle.entry[0].request.url');
  });

  test('an id with criteria, or a version, is no place to write to: what the criteria ask would not be heeded', async () => {
    await fhir('PUT', 'Patient/both', patient('both', { id: 'both', active: true }));
    const resource = patient('both', { id: 'both' });
    const json = jsonPatch([{ op: 'remove', path: '/active' }]);
    for (const path of ['Patient/both?active=false', 'Patient/both/_history/1']) {
      for (const entry of [request('DELETE', path), request('PUT', path, resource), request('PATCH', path, json)]) {
        assertOutcome(await transaction([entry]), 400, 'invalid', 'Bundle.entry[0].request.url');
      }
    }
    const { json: read } = await fhir('GET', 'Patient/both');
    assert.deepEqual([read.meta!.versionId, read.active], ['1', true]);
  });

  test('deletions come first: a conditional create or update does not find what is deleted', async () => {
    await fhir('PUT', 'Patient/first-1', patient('first', { id: 'first-1' }));
    const created = await transaction([create('first'), request('DELETE', 'Patient/first-1')]);
    assert.deepEqual(statusesOf(created), ['201 Created', '204 No Content']);
    assert.notEqual(writtenBy(created, 0), 'Patient/first-1');
    const updated = await transaction([request('PUT', by('first'), patient('first')), request('DELETE', by('first'))]);
    assert.deepEqual(statusesOf(updated), ['201 Created', '204 No Content']);
    assert.equal(await total('first'), 1);
    assert.equal(ids(await fhir('GET', by('first')))[0], writtenBy(updated, 0).slice('Patient/'.length));
  });
});

describe('identity collisions are refused', () => {
  test('one id, changed twice, by whatever methods', async () => {
    await fhir('PUT', 'Patient/twice', patient('twice-there', { id: 'twice' }));
    const put = request('PUT', 'Patient/twice', patient('twice', { id: 'twice' }));
    const remove = request('DELETE', 'Patient/twice');
    const patch = request('PATCH', 'Patient/twice', jsonPatch([{ op: 'add', path: '/active', value: true }]));
    for (const pair of [
      [put, put],
      [put, remove],
      [remove, put],
      [patch, put],
      [remove, patch],
      [remove, remove],
    ])
      await refused(pair, 400, 'invalid', 'Bundle.entry[1]', 'twice');
    assert.equal((await fhir('GET', 'Patient/twice')).json.meta!.versionId, '1');
  });

  test('by id and by criteria, or by two criteria that match one resource', async () => {
    await fhir('PUT', 'Patient/coll', patient('coll-id', { id: 'coll', active: true, birthDate: '1990-01-01' }));
    const byId = request('PUT', 'Patient/coll', patient('coll', { id: 'coll' }));
    const byIdentifier = request('PUT', by('coll-id'), patient('coll'));
    const byDate = request('PUT', `${by('coll-id')}&birthdate=1990-01-01`, patient('coll'));
    for (const pair of [
      [byId, byIdentifier],
      [byIdentifier, byDate],
      [byIdentifier, byIdentifier],
      [request('DELETE', by('coll-id')), byId],
    ])
      await refused(pair, 400, 'invalid', 'Bundle.entry[1]', 'coll');
  });

  test('a conditional create and update by the same criteria, when nothing matches', async () => {
    for (const order of [
      [create('cc'), request('PUT', by('cc'), patient('cc'))],
      [request('PUT', by('cc'), patient('cc')), create('cc')],
    ])
      assertOutcome(await transaction(order), 400, 'invalid');
    assert.equal(await total('cc'), 0);
  });

  test('criteria that match what another entry creates', async () => {
    const plain = request('POST', 'Patient', patient('made'));
    const both: Element = {
      resourceType: 'Patient',
      identifier: [
        { system: 'urn:e', value: 'made' },
        { system: 'urn:e', value: 'made-2' },
      ],
    };
    const first = request('POST', 'Patient', both, { ifNoneExist: 'identifier=urn:e|made' });
    const second = request('POST', 'Patient', both, { ifNoneExist: 'identifier=urn:e|made-2' });
    for (const pair of [
      [plain, request('PUT', by('made'), patient('made'))],
      [create('made'), plain],
      [first, second],
    ])
      assertOutcome(await transaction(pair), 400, 'invalid');
    assert.equal(await total('made'), 0);
    const apart = await transaction([create('apart-1'), create('apart-2'), request('POST', 'Patient', patient('x'))]);
    assert.deepEqual(statusesOf(apart), ['201 Created', '201 Created', '201 Created']);
  });

  test('the order of the entries does not matter', async () => {
    const list = [
      request('GET', by('order')),
      request('PUT', 'Patient/order-put', patient('order', { id: 'order-put' })),
      request('POST', 'Patient', patient('order')),
      request('DELETE', 'Patient/order-gone'),
    ];
    for (const order of [list, list.toReversed()]) {
      await fhir('PUT', 'Patient/order-gone', patient('order', { id: 'order-gone' }));
      const reply = await transaction(order);
      assert.equal(reply.status, 200, reply.text);
      const search = entries(reply)[order.indexOf(list[0]!)]!.resource as unknown as { entry: { resource: Element }[] };
      assert.equal(
        search.entry.some(({ resource }) => resource.id === 'order-gone'),
        false,
      );
      assert.equal(
        search.entry.some(({ resource }) => resource.id === 'order-put'),
        true,
      );
    }
  });
});
