// cerebra load: Bundles and single resources. https://hl7.org/fhir/R4/bundle.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import { storeCreate, storeUpdate } from '../store/store.ts';
import { assertStoreSound, everything } from '../testing.ts';
import { createRig, ndjson, observation, patient } from './testing/rig.ts';

const counts = (created: number, updated = 0, present = 0, refused = 0) => ({ created, updated, present, refused });

const bundle = (type: string, entry: unknown[]): string => JSON.stringify({ resourceType: 'Bundle', type, entry });

const post = (fullUrl: string | undefined, resource: Resource, more = {}) => ({
  ...(fullUrl === undefined ? {} : { fullUrl }),
  resource,
  request: { method: 'POST', url: resource.resourceType, ...more },
});

const uuid = (n: number): string => `7f0e3b1a-0000-4000-8000-${String(n).padStart(12, '0')}`;
const urn = (n: number): string => `urn:uuid:${uuid(n)}`;
const withIdentifier = (value: string, id?: string) => ({
  ...patient(id),
  identifier: [{ system: 'urn:oid:2.999.1', value }],
});

describe('a transaction', () => {
  test('keeps ids, takes them from urn:uuid where there is none, and resolves references', async (t) => {
    const rig = await createRig(t);
    const entries = [
      post(urn(1), patient(undefined)),
      post(urn(2), observation('own', urn(1))),
      { ...post(urn(3), observation(undefined, 'urn:uuid:unused')), resource: observation(undefined, `${urn(1)}`) },
      { resource: patient('put'), request: { method: 'PUT', url: '/Patient/put/' } },
    ];
    await rig.file('a.json', bundle('transaction', entries));
    const { summary, faults } = await rig.load([rig.folder]);
    assert.deepEqual([faults, summary.counts], [[], counts(4)]);
    assert.deepEqual((await rig.read('Observation', 'own'))!.subject, { reference: `Patient/${uuid(1)}` });
    assert.deepEqual((await rig.read('Observation', uuid(3)))!.subject, { reference: `Patient/${uuid(1)}` });
    assert.ok(await rig.read('Patient', 'put'));
    await assertStoreSound(rig.core.store);
    // The same again under another name: the ids are the same, so nothing comes twice.
    await rig.file('b.json', bundle('transaction', entries));
    assert.deepEqual((await rig.load([rig.folder])).summary.counts, counts(0, 0, 4));
  });

  test('makes no reference version-specific, and says so', async (t) => {
    const rig = await createRig(t);
    const url = 'http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific';
    const about = { reference: urn(1), extension: [{ url, valueBoolean: true }] };
    const entries = [
      post(urn(1), patient(undefined)),
      post(urn(2), { ...observation('o', urn(1)), focus: [about] } as Resource),
    ];
    await rig.file('a.json', bundle('transaction', entries));
    const { summary, faults, expressions } = await rig.load([rig.folder]);
    assert.deepEqual(summary.counts, counts(0, 0, 0, 2));
    const why =
      'load does not make references version-specific: post the Bundle to the server, or leave the extension out';
    assert.deepEqual(faults, [`a.json[1]: ${why}`]);
    assert.deepEqual(expressions, [[['Bundle.entry[1].resource.focus[0].reference']]]);
  });

  test('is loaded as a whole or not at all', async (t) => {
    const rig = await createRig(t);
    const good = post(urn(1), patient('a'));
    await rig.file('invalid.json', bundle('transaction', [good, post(undefined, { ...patient('b'), gender: 'blue' })]));
    await rig.file('open.json', bundle('transaction', [good, post(undefined, observation('o', urn(9)))]));
    await rig.file('delete.json', bundle('transaction', [good, { request: { method: 'DELETE', url: 'Patient/x' } }]));
    await rig.file('twice.json', bundle('transaction', [good, post(undefined, patient('a'))]));
    await rig.file(
      'method.json',
      bundle('transaction', [good, { resource: patient('c'), request: { method: 'PATCH', url: 'Patient/c' } }]),
    );
    const { summary, faults, expressions } = await rig.load([rig.folder]);
    assert.deepEqual(faults, [
      'delete.json[1]: The entry has no resource',
      "invalid.json[1]: Patient.gender: 'blue' is not one of male, female, other, unknown",
      'method.json[1]: load takes entries with POST and PUT, not PATCH',
      `open.json[1]: The reference '${urn(9)}' is no fullUrl of this Bundle`,
      'twice.json: Patient/a stands in the transaction twice',
    ]);
    assert.deepEqual(expressions, [
      [['Bundle.entry[1]']],
      [['Bundle.entry[1].resource.gender']],
      [['Bundle.entry[1].request.method']],
      [['Bundle.entry[1].resource.subject.reference']],
      [['Bundle.entry[1]']],
    ]);
    assert.deepEqual([summary.counts.created, summary.counts.refused], [0, 9]);
    assert.equal(await rig.count('Patient'), 0);
  });

  test('has as many entries as the server takes at most', async (t) => {
    const rig = await createRig(t);
    rig.core.limits.bundleEntriesMax = 300;
    const entries = (n: number) => Array.from({ length: n }, (_, i) => post(undefined, patient(`p${n}-${i}`)));
    await rig.file('a.json', bundle('transaction', entries(300)));
    await rig.file('b.json', bundle('transaction', entries(301)));
    await rig.file('c.json', bundle('batch', entries(302)));
    const { summary, faults } = await rig.load([rig.folder]);
    assert.equal(summary.counts.created, 602);
    assert.deepEqual(faults, ['b.json: A transaction is loaded at once and may have 300 entries (BUNDLE_ENTRIES_MAX)']);
    await assertStoreSound(rig.core.store);
  });
});

describe('other Bundles', () => {
  test('load entry by entry; what a search says of itself is left out', async (t) => {
    const rig = await createRig(t);
    const outcome = { resource: { resourceType: 'OperationOutcome', issue: [] }, search: { mode: 'outcome' } };
    const wrong = { resource: { ...patient('bad'), gender: 'blue' } };
    const far = { fullUrl: 'https://other.example/fhir/Patient/a', resource: patient('a') };
    const near = { resource: observation('o', 'https://other.example/fhir/Patient/a') };
    await rig.file('batch.json', bundle('batch', [post(undefined, patient('x')), wrong]));
    await rig.file(
      'collection.json',
      bundle('collection', [{ resource: patient('y') }, { resource: observation('p', urn(5)) }]),
    );
    await rig.file('searchset.json', bundle('searchset', [far, near, outcome]));
    const { summary, faults } = await rig.load([rig.folder]);
    assert.deepEqual(faults, ["batch.json[1]: Patient.gender: 'blue' is not one of male, female, other, unknown"]);
    assert.deepEqual(summary.counts, counts(5, 0, 0, 1));
    assert.deepEqual((await rig.read('Observation', 'o'))!.subject, { reference: 'Patient/a' });
    // Nothing says that what it refers to is elsewhere in this Bundle.
    assert.deepEqual((await rig.read('Observation', 'p'))!.subject, { reference: urn(5) });
    await assertStoreSound(rig.core.store);
  });

  test('that are documents are stored as such; histories and answers are refused', async (t) => {
    const rig = await createRig(t);
    const document = {
      ...{ resourceType: 'Bundle', id: 'doc', type: 'document', timestamp: '2024-01-01T00:00:00Z' },
      identifier: { system: 'urn:oid:2.999.1', value: '1' },
      entry: [{ fullUrl: urn(1), resource: patient('inside') }],
    };
    await rig.file('a.json', JSON.stringify(document));
    await rig.file('b.json', bundle('history', []));
    await rig.file('c.json', bundle('batch', []));
    await rig.file('d.json', JSON.stringify(patient('single')));
    await rig.file('e.json', '[1]');
    const { summary, faults } = await rig.load([rig.folder]);
    assert.deepEqual(faults, [
      'b.json: Bundles of type transaction, batch, collection, searchset, document and message can be loaded, found history',
      'e.json: A resource must be a JSON object',
    ]);
    assert.deepEqual(summary.counts, counts(2, 0, 0, 2));
    assert.ok(await rig.read('Bundle', 'doc'));
    assert.equal(await rig.read('Patient', 'inside'), undefined);
    assert.ok(await rig.read('Patient', 'single'));
    const files = await rig.db.query<{ n: bigint }>({
      text: 'select count(*) as n from load_file where finished is not null',
    });
    assert.equal(Number(files[0]!.n), 5);
  });
});

test('what a request asks and load can’t do is refused', async (t) => {
  const rig = await createRig(t);
  const p = patient('p');
  const request = (more: object) => ({ resource: p, request: { method: 'PUT', url: 'Patient/p', ...more } });
  const entries = [
    request({ ifMatch: 'W/"3"' }),
    request({ ifNoneMatch: '*' }),
    request({ ifNoneExist: 'identifier=1' }),
    post(undefined, p, { ifNoneExist: '' }),
    post(undefined, p, { ifNoneExist: 'Patient?' }),
    post(undefined, p, { ifNoneExist: 'Observation?identifier=1' }),
    request({ method: 'POST', url: 'Observation' }),
    request({ method: 'POST', url: 'Patient/$validate' }),
    {
      ...post(undefined, patient('q')),
      request: { method: 'POST', url: 'https://h.example/fhir/Patient/?_format=json' },
    },
    { ...post(undefined, patient('r')), request: { method: 'POST', url: '/Patient' } },
  ];
  await rig.file('a.json', bundle('batch', entries));
  const { summary, faults } = await rig.load([rig.folder], { existing: 'update' });
  assert.deepEqual(faults, [
    'a.json[0]: load does not heed ifMatch here: post the Bundle to the server, or leave it out',
    'a.json[1]: load does not heed ifNoneMatch here: post the Bundle to the server, or leave it out',
    'a.json[2]: load does not heed ifNoneExist here: post the Bundle to the server, or leave it out',
    'a.json[3]: At least one search criterion is needed, as in identifier=http://example.org/mrn|17',
    'a.json[4]: At least one search criterion is needed, as in identifier=http://example.org/mrn|17',
    "a.json[5]: The criteria are of 'Observation', what is created is a Patient: they must be of the same type",
    'a.json[6]: The url must be Patient, as the resource is; load runs no operations',
    'a.json[7]: The url must be Patient, as the resource is; load runs no operations',
  ]);
  assert.deepEqual(summary.counts, counts(2, 0, 0, 8));
});

describe('references between entries', () => {
  test('that are relative belong to the server that the entry comes from', async (t) => {
    const rig = await createRig(t);
    // Another one's, of the same id.
    await storeUpdate(rig.core.store, withIdentifier('other', '7'), '7', undefined, everything);
    const there = await storeCreate(rig.core.store, withIdentifier('1'), everything);
    const from = (name: string) => `https://h.example/fhir/${name}`;
    const entries = [
      post(from('Patient/7'), withIdentifier('1'), { ifNoneExist: 'identifier=urn:oid:2.999.1|1' }),
      post(from('Patient/8'), withIdentifier('2')),
      post(from('Observation/1'), observation('o1', 'Patient/7')),
      post(from('Observation/2'), observation('o2', 'Patient/8')),
      post('https://else.example/fhir/Observation/3', observation('o3', 'Patient/7')),
      post(urn(1), observation('o4', 'Patient/7')),
    ];
    await rig.file('a.json', bundle('transaction', entries));
    const { summary, faults } = await rig.load([rig.folder]);
    assert.deepEqual([faults, summary.counts], [[], counts(5, 0, 1)]);
    const subjects = await Promise.all(['o1', 'o2', 'o3', 'o4'].map((id) => rig.read('Observation', id)));
    const made = await rig.db.query<{ id: string }>({ text: "select id from r_patient where id <> '7' and id <> $1" }, [
      there.id,
    ]);
    assert.deepEqual(
      subjects.map((one) => one!.subject),
      [there.id, made[0]!.id, '7', '7'].map((id) => ({ reference: `Patient/${id}` })),
    );
  });

  test('are refused where two resources have the fullUrl', async (t) => {
    const rig = await createRig(t);
    const entries = [post(urn(1), patient('a')), post(urn(1), patient('b')), post(urn(2), observation('o', urn(1)))];
    await rig.file('a.json', bundle('transaction', entries));
    const oid = post(urn(1), observation('x', 'urn:oid:2.999.7'));
    await rig.file('b.json', bundle('transaction', [oid]));
    const { summary, faults, expressions } = await rig.load([rig.folder]);
    assert.deepEqual(faults, [
      'a.json[1]: Two entries have the same fullUrl',
      "b.json[0]: The reference 'urn:oid:2.999.7' is no fullUrl of this Bundle",
    ]);
    assert.deepEqual(expressions[0], [['Bundle.entry[1].fullUrl']]);
    assert.deepEqual(summary.counts, counts(0, 0, 0, 4));
  });
});

test('what is inside of a Bundle that is stored is left as it is', async (t) => {
  const rig = await createRig(t);
  const subject = 'Patient?identifier=urn:oid:2.999.1|nobody';
  const inside = [
    { fullUrl: urn(5), resource: observation('in', urn(1)) },
    { fullUrl: urn(6), resource: observation('c', subject) },
  ];
  const stored = (id: string) => ({ resourceType: 'Bundle', id, type: 'collection', entry: inside }) as Resource;
  const wrapper = post(urn(7), stored('s1'));
  await rig.file('a.json', bundle('transaction', [post(urn(1), patient('p')), wrapper]));
  await rig.file('b.json', JSON.stringify({ ...stored('s2'), ...{ type: 'message' } }));
  await rig.file('c.ndjson', ndjson([stored('s3')]));
  const { faults } = await rig.load([rig.folder], { validate: false });
  assert.deepEqual(faults, []);
  for (const id of ['s1', 's2', 's3']) assert.deepEqual((await rig.read('Bundle', id))!.entry, inside);
});

describe('what is conditional', () => {
  test('waits for the files that come later', async (t) => {
    const rig = await createRig(t);
    const subject = 'Patient?identifier=urn:oid:2.999.1|77';
    await rig.file('a.json', bundle('transaction', [post(urn(1), observation('o1', subject))]));
    await rig.file('b.json', JSON.stringify(observation('o2', subject)));
    await rig.file('c.json', bundle('transaction', [post(urn(2), withIdentifier('77', 'p'))]));
    await rig.file('d.json', JSON.stringify(observation('o3', 'Patient?identifier=urn:oid:2.999.1|78')));
    await rig.file('e.json', JSON.stringify(observation('o4', 'Patient?nonsense=1')));
    const { summary, faults, expressions } = await rig.load([rig.folder]);
    assert.deepEqual(summary.counts, counts(3, 0, 0, 2));
    for (const id of ['o1', 'o2']) {
      assert.deepEqual((await rig.read('Observation', id))!.subject, { reference: 'Patient/p' });
    }
    assert.match(faults[0]!, /^e\.json: .*nonsense/);
    assert.equal(faults[1], 'd.json: The conditional reference matches no resource');
    assert.deepEqual(expressions[1], [['Observation.subject.reference']]);
  });

  test('creates only what is not there, once', async (t) => {
    const rig = await createRig(t);
    const there = await storeCreate(rig.core.store, withIdentifier('1'), everything);
    const criteria = (value: string) => ({ ifNoneExist: `identifier=urn:oid:2.999.1|${value}` });
    const entries = [
      post(urn(1), withIdentifier('1'), criteria('1')),
      post(urn(2), withIdentifier('2'), criteria('2')),
      post(urn(3), withIdentifier('2'), criteria('2')),
      post(undefined, observation('o1', urn(1))),
      post(undefined, observation('o2', urn(2))),
      post(undefined, observation('o3', urn(3))),
    ];
    await rig.file('a.json', bundle('transaction', entries));
    const { summary, faults } = await rig.load([rig.folder]);
    assert.deepEqual(faults, []);
    assert.deepEqual(summary.counts, counts(4, 0, 2));
    const subjects = await Promise.all(['o1', 'o2', 'o3'].map((id) => rig.read('Observation', id)));
    assert.deepEqual(
      subjects.map((one) => one!.subject),
      [there.id, uuid(2), uuid(2)].map((id) => ({ reference: `Patient/${id}` })),
    );
    await assertStoreSound(rig.core.store);
  });

  test('is created once by two loads at the same time', async (t) => {
    const rig = await createRig(t);
    const criteria = { ifNoneExist: 'identifier=urn:oid:2.999.1|1' };
    const names = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name, i) =>
        rig.file(`${name}.json`, bundle('batch', [post(urn(i), withIdentifier('1'), criteria)])),
      ),
    );
    const loads = await Promise.all(names.map((name) => rig.load([name])));
    const created = loads.reduce((sum, { summary }) => sum + summary.counts.created, 0);
    assert.deepEqual([created, await rig.count('Patient')], [1, 1]);
    for (const { faults } of loads) assert.deepEqual(faults, []);
  });

  test('updates of several that match are refused', async (t) => {
    const rig = await createRig(t);
    for (let i = 0; i < 2; i++) await storeCreate(rig.core.store, withIdentifier('1'), everything);
    const criteria = { ifNoneExist: 'identifier=urn:oid:2.999.1|1' };
    await rig.file(
      'a.json',
      bundle('batch', [post(undefined, withIdentifier('1'), criteria), post(undefined, patient('x'))]),
    );
    await rig.file(
      'b.json',
      bundle('batch', [{ resource: patient('y'), request: { method: 'PUT', url: 'Patient?name=y' } }]),
    );
    const { summary, faults } = await rig.load([rig.folder]);
    assert.deepEqual(faults, [
      'a.json[0]: The criteria match more than one resource: make them more exact',
      'b.json[0]: load takes PUT to Patient/id only, not conditional updates',
    ]);
    assert.deepEqual(summary.counts, counts(1, 0, 0, 2));
  });

  const about = (value: string, subject: string) => ({
    ...observation(undefined, subject),
    identifier: [{ system: 'urn:oid:2.999.2', value }],
  });
  const ofMrn = (value: string) => ({ ifNoneExist: `identifier=urn:oid:2.999.1|${value}` });
  const ofSubject = (value: string, subject: string) => ({
    ifNoneExist: `identifier=urn:oid:2.999.2|${value}&subject=${subject}`,
  });

  test('may name another entry: it means what that makes or finds', async (t) => {
    const rig = await createRig(t);
    const there = await storeCreate(rig.core.store, withIdentifier('1'), everything);
    const old = await storeCreate(rig.core.store, about('o1', `Patient/${there.id}`) as Resource, everything);
    // With identities of their own, as each run of an exporting system has them.
    const entries = (n: number) => [
      post(urn(n + 3), about('o2', urn(n)), ofSubject('o2', `${encodeURIComponent(urn(n))}`)),
      post(urn(n + 1), about('o1', urn(n)), ofSubject('o1', urn(n))),
      post(urn(n), withIdentifier('1'), ofMrn('1')),
      post(urn(n + 4), withIdentifier('2'), ofMrn('2')),
      post(urn(n + 5), about('o1', urn(n + 4)), ofSubject('o1', urn(n + 4))),
      post(undefined, { ...observation(`m${n}`, urn(n)), hasMember: [{ reference: urn(n + 1) }] }),
    ];
    await rig.file('a.json', bundle('transaction', entries(10)));
    const first = await rig.load([rig.folder]);
    assert.deepEqual([first.faults, first.summary.counts], [[], counts(4, 0, 2)]);
    assert.deepEqual((await rig.read('Observation', 'm10'))!.hasMember, [{ reference: `Observation/${old.id}` }]);
    await rig.file('b.json', bundle('batch', entries(20)));
    const second = await rig.load([rig.folder]);
    assert.deepEqual([second.faults, second.summary.counts], [[], counts(1, 0, 5)]);
    assert.deepEqual([await rig.count('Patient'), await rig.count('Observation')], [2, 5]);
    await assertStoreSound(rig.core.store);
  });

  test('that look like the name of an entry, but are no reference, mean what they say', async (t) => {
    const rig = await createRig(t);
    const numbered = (n: number): Resource => ({ resourceType: 'Patient', identifier: [{ value: urn(n) }] });
    const entries = (n: number) => [
      post(urn(1), numbered(1), { ifNoneExist: `identifier=${urn(1)}` }),
      post(urn(n), numbered(2), { ifNoneExist: `identifier=${urn(2)}` }),
      post(urn(2), about('o1', urn(1)), { ifNoneExist: `_filter=subject eq ${urn(1)}` }),
    ];
    await rig.file('a.json', bundle('transaction', entries(3)));
    const first = await rig.load([rig.folder]);
    assert.deepEqual([first.faults, first.summary.counts], [[], counts(3)]);
    await rig.file('b.json', bundle('batch', entries(4)));
    const second = await rig.load([rig.folder]);
    assert.deepEqual([second.faults, second.summary.counts], [[], counts(0, 0, 3)]);
  });

  test('is refused where entries name each other', async (t) => {
    const rig = await createRig(t);
    const member = (n: number, other: number) =>
      post(urn(n), about(`${n}`, 'Patient/x'), { ifNoneExist: `has-member=${urn(other)}` });
    await rig.file('a.json', bundle('transaction', [member(1, 2), member(2, 1)]));
    const { summary, faults } = await rig.load([rig.folder]);
    assert.match(faults[0]!, /^a\.json\[0\]: The criteria name an entry whose own criteria depend on this one/);
    assert.deepEqual(summary.counts, counts(0, 0, 0, 2));
  });

  test('reference means what an entry with the same criteria makes', async (t) => {
    const rig = await createRig(t);
    const subject = 'Patient?identifier=urn:oid:2.999.1|5';
    const entries = [post(undefined, observation('o', subject)), post(urn(1), withIdentifier('5'), ofMrn('5'))];
    await rig.file('a.json', bundle('transaction', entries));
    assert.deepEqual((await rig.load([rig.folder])).faults, []);
    assert.deepEqual((await rig.read('Observation', 'o'))!.subject, { reference: `Patient/${uuid(1)}` });
  });
});
