// Routes over HTTP, and what they do to messages on connections that stay open.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { createMllpClient, type MllpClient } from '#hl7-engine';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let client: MllpClient;
before(async () => {
  server = await startTestServer();
  client = createMllpClient({ host: '127.0.0.1', port: server.mllpPort, timeoutMs: 120_000 });
});
after(async () => {
  await client.close();
  await server.stop();
});

async function call(method: string, path: string, body?: unknown, ifMatch?: string) {
  const response = await fetch(`${server.rootUrl}/admin/hl7/routes${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

let number = 0;

/** The acknowledgment's code of an ADT^A08 that says this of the patient. */
async function admit(patient: string, sex: string, processing = 'P'): Promise<string> {
  const ack = await client.send(
    [
      `MSH|^~\\&|ADT|HOSP|EHR|HOSP|20260131120000+0000||ADT^A08^ADT_A01|R${++number}|${processing}|2.5.1`,
      'EVN|A08|20260131120000+0000',
      `PID|1||${patient}^^^HOSP^MR||DOE^JANE||19800102|${sex}`,
      'PV1|1|I',
    ].join('\r'),
  );
  return /\rMSA\|(\w\w)\|/.exec(ack.toString('latin1'))![1]!;
}

async function sexOf(patient: string): Promise<unknown> {
  const response = await fetch(`${server.fhirBaseUrl}/Patient?identifier=${patient}`);
  const bundle = (await response.json()) as { entry?: { resource: { gender: string } }[] };
  return bundle.entry?.map(({ resource }) => resource.gender);
}

const by = { author: 'operator', comment: 'a test' };
const route = {
  id: 'adt',
  name: 'Admissions',
  match: { path: 'MSH-9.1', equals: 'ADT' },
  filter: [{ when: { path: 'MSH-11', equals: 'T' }, reason: 'test system' }],
  codeMaps: { sex: { from: '0001', codes: { W: 'female' } } },
};

test('a route is put in force, changed and taken back while a connection stays open', async () => {
  assert.equal(await admit('1', 'W'), 'AA');
  const plain = await sexOf('1');
  assert.notDeepEqual(plain, ['female']);
  assert.deepEqual(await call('PUT', '/adt', { route, ...by }), {
    status: 201,
    body: { id: 'adt', version: 1, inForceVersion: 1 },
  });
  assert.equal(await admit('2', 'W'), 'AA');
  assert.deepEqual(await sexOf('2'), ['female']);
  // Filtered: acknowledged, and without effect.
  assert.equal(await admit('3', 'W', 'T'), 'AA');
  assert.equal(await sexOf('3'), undefined);
  const changed = { ...route, codeMaps: { sex: { from: '0001', codes: { W: 'other' } } } };
  assert.equal((await call('PUT', '/adt', { route: changed, ...by })).status, 400);
  assert.equal((await call('PUT', '/adt', { route: changed, ...by }, '"1"')).status, 200);
  assert.equal(await admit('4', 'W'), 'AA');
  assert.deepEqual(await sexOf('4'), ['other']);
  assert.equal((await call('POST', '/adt/rollback', { version: 1, ...by }, '"2"')).status, 200);
  assert.equal(await admit('5', 'W'), 'AA');
  assert.deepEqual(await sexOf('5'), ['female']);
  assert.equal((await call('DELETE', '/adt?author=operator', undefined, '"3"')).status, 200);
  assert.equal(await admit('6', 'W'), 'AA');
  assert.deepEqual(await sexOf('6'), plain);
});

test('changes while messages come lose none', async () => {
  const changes = (async () => {
    for (let version = 0; version < 10; version++) {
      const answer = await call(
        'PUT',
        '/default',
        { route: { id: 'default', name: `Version ${version}` }, ...by },
        version === 0 ? undefined : `"${version}"`,
      );
      assert.equal(answer.body.version, version + 1);
    }
  })();
  const codes = await Promise.all(Array.from({ length: 60 }, (_, index) => admit(`N${index}`, 'F')));
  await changes;
  assert.deepEqual(codes, new Array<string>(60).fill('AA'));
  for (let index = 0; index < 60; index++) assert.deepEqual(await sexOf(`N${index}`), ['female']);
});

test('a message that no route takes is refused AR', async () => {
  assert.equal((await call('POST', '/default/disable', by)).status, 200);
  assert.equal(await admit('7', 'F'), 'AR');
  assert.equal((await call('POST', '/default/enable', by)).status, 200);
  assert.equal(await admit('7', 'F'), 'AA');
});

test('a dry run tells what the store would refuse, and stores nothing', async () => {
  const message = (patient: string, sex: string) =>
    [
      `MSH|^~\\&|ADT|HOSP|EHR|HOSP|20260131120000+0000||ADT^A08^ADT_A01|D1|P|2.5.1`,
      `PID|1||${patient}||DOE^JANE||19800102|${sex}`,
      'PV1|1|I',
    ].join('\r');
  const draft = { id: 'draft', name: 'Draft', codeMaps: { sex: { from: '0001', codes: { W: 'femal' } } } };
  const dryRun = async (patient: string, sex: string) => {
    const { status, body } = await call('POST', '/dry-run', { route: draft, message: message(patient, sex) });
    assert.equal(status, 200);
    return { refusal: body.refusal, msa: String(body.acknowledgment).split('\r')[1] };
  };
  const text = "Refused by the store: Patient.gender: 'femal' is not one of male, female, other, unknown";
  assert.deepEqual(await dryRun('DRY1^^^HOSP^MR', 'W'), {
    refusal: { step: 'store', acknowledgment: 'AE', condition: '207', text, more: [] },
    msa: `MSA|AE|D1|${text}`,
  });
  assert.deepEqual(await dryRun('DRY1^^^HOSP^MR', 'F'), { refusal: undefined, msa: 'MSA|AA|D1' });
  assert.equal(await sexOf('DRY1'), undefined);
});
