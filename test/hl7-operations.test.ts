// $convert-data and $process-message over HTTP.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import iconv from 'iconv-lite';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { assertOutcome, entries, type Reply } from './client.ts';
import { serveTests } from './server.ts';

const client = serveTests();

const message = [
  'MSH|^~\\&|LAB|NORTH|CEREBRA||20260131120000+0100||ORU^R01^ORU_R01|M1|P|2.5.1',
  'PID|1||CD1^^^NORTH^MR||DOE^JANE',
  'OBR|1||F1^LAB|24323-8^Panel^LN|||20260131080000+0100||||||||||||||||||F',
  'OBX|1|NM|2823-3^Potassium^LN||5.10|mmol/L^^UCUM|3.5-5.1|N|||F',
  'ZZZ|1',
].join('\r');

const given = (...pairs: [string, string][]): JsonObject => ({
  resourceType: 'Parameters',
  parameter: pairs.map(([name, valueString]) => ({ name, valueString })),
});

test('$convert-data yields the transaction and stores nothing', async () => {
  const reply = await client('POST', '$convert-data', message, { 'Content-Type': 'application/hl7-v2' });
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.json.type, 'transaction');
  const requests = entries(reply).map(({ request }) => `${request?.method} ${request?.url.split(/[?/]/)[0]}`);
  assert.deepEqual(requests, ['POST Patient', 'PUT Observation', 'PUT DiagnosticReport', 'PUT Provenance']);
  assert.match(reply.text, /"value":5\.10/);
  const [warning] = reply.json.meta!.extension as unknown as JsonObject[];
  assert.deepEqual(warning, { url: 'urn:cerebra:hl7v2-warning', valueString: 'ZZZ: segment not mapped' });
  assert.equal((await client('GET', 'Patient?identifier=CD1&_summary=count')).json.total, 0);
});

test('$convert-data takes Parameters as Azure does, tells what it does not use, and what it makes can be posted', async () => {
  const parameters = given(
    ['inputData', message.replaceAll('\r', '\n')],
    ['inputDataType', 'Hl7v2'],
    ['rootTemplate', 'ORU_R01'],
  );
  const reply = await client('POST', '$convert-data', parameters);
  assert.equal(reply.status, 200, reply.text);
  const warnings = (reply.json.meta!.extension as unknown as JsonObject[]).map(({ valueString }) => valueString);
  assert.deepEqual(warnings, [
    'ZZZ: segment not mapped',
    'rootTemplate is not used: the maps are those of docs/hl7-mapping.md',
  ]);
  const posted = await client('POST', '', reply.text);
  assert.equal(posted.status, 200, posted.text);
  assert.equal((await client('GET', 'Patient?identifier=CD1&_summary=count')).json.total, 1);
});

const inCharset = (charset: string, name: string): string =>
  `MSH|^~\\&|LAB|NORTH|||20260131||ADT^A31^ADT_A05|M9|P|2.5.1||||||${charset}\rEVN|A31|20260131\rPID|1||CD9^^^NORTH^MR||${name}^MAX`;

test('$convert-data takes text as it is, whatever set MSH-18 says that its bytes were in', async () => {
  const sets = [
    '',
    '8859/1',
    '8859/5',
    'UNICODE UTF-8',
    'GB 18030-2000',
    'BIG-5',
    'KS X 1001',
    'SHIFT_JIS',
    '~ISO IR87',
  ];
  for (const charset of sets) {
    for (const name of ['Müller', '王小明', '山田', 'Иванов', '김']) {
      const text = inCharset(charset, name);
      const replies = [
        await client('POST', '$convert-data', given(['inputData', text])),
        await client('POST', '$convert-data', text, { 'Content-Type': 'application/hl7-v2; charset=utf-8' }),
      ];
      for (const reply of replies) {
        const patient = entries(reply)
          .map(({ resource }) => resource)
          .find((one) => one?.resourceType === 'Patient');
        assert.deepEqual(patient?.name, [{ family: name, given: ['MAX'] }], `${charset} ${name}`);
      }
    }
  }
});

test('$convert-data reads bytes that are no UTF-8 in the set of MSH-18', async () => {
  for (const [charset, set, name] of [
    ['8859/1', 'latin1', 'Müller'],
    ['8859/5', 'iso-8859-5', 'Иванов'],
    ['GB 18030-2000', 'gb18030', '王小明'],
    ['SHIFT_JIS', 'shift_jis', '山田'],
  ] as const) {
    const bytes = iconv.encode(inCharset(charset, name), set);
    for (const lines of [bytes, Buffer.from(bytes.toString('latin1').replaceAll('\r', '\n'), 'latin1')]) {
      const reply = await client('POST', '$convert-data', lines, { 'Content-Type': 'application/hl7-v2' });
      const patient = entries(reply).find(({ resource }) => resource?.resourceType === 'Patient')?.resource;
      assert.deepEqual(patient?.name, [{ family: name, given: ['MAX'] }], charset);
    }
  }
});

test('$convert-data names the place in a message that it refuses', async () => {
  const nobody = message.replace('CD1^^^NORTH^MR', '');
  const reply = await client('POST', '$convert-data', nobody, { 'Content-Type': 'text/plain' });
  assertOutcome(reply, 422, 'business-rule', 'PID-3');
  const none = await client('POST', '$convert-data', given(['inputData', 'hello']));
  assert.match(assertOutcome(none, 422, 'business-rule').diagnostics, /does not begin with MSH/);
  assertOutcome(await client('POST', '$convert-data', given(['inputDataType', 'Hl7v2'])), 400, 'required', 'inputData');
  assertOutcome(
    await client('POST', '$convert-data', given(['inputData', 'x'], ['inputDataType', 'Ccda'])),
    400,
    'value',
    'inputDataType',
  );
});

test('$convert-data makes a message of resources, in the version that is asked for', async () => {
  const converted = await client('POST', '$convert-data', given(['inputData', message]));
  const back = given(
    ['inputData', converted.text],
    ['inputDataType', 'Fhir'],
    ['messageType', 'ORU^R01'],
    ['messageVersion', '2.3'],
  );
  const reply = await client('POST', '$convert-data', back);
  assert.equal(reply.status, 200, reply.text);
  const [output] = reply.json.parameter as unknown as { name: string; valueString: string }[];
  const lines = output!.valueString.split('\r');
  assert.match(lines[0]!, /^MSH\|\^~\\&\|CEREBRA\|CEREBRA\|\|\|\d{14}\+0000\|\|ORU\^R01\|[0-9A-F]{20}\|P\|2\.3$/);
  assert.deepEqual(lines.slice(1), [
    'PID|1||CD1^^^NORTH^MR||DOE^JANE',
    'OBR|1||F1^LAB|24323-8^Panel^LN|||20260131080000+0100||||||||||||||||||F',
    'OBX|1|NM|2823-3^Potassium^LN||5.10|mmol/L^mmol/L^UCUM|3.5-5.1|N|||F|||20260131080000+0100',
    '',
  ]);
  const [patient, first] = [
    { resourceType: 'Patient', id: 'p' },
    { resourceType: 'Observation', id: 'a' },
  ];
  const result = { status: 'final', code: { text: 'K' }, subject: { reference: 'Patient/p' } };
  const resources = [patient, { ...first, ...result }, { ...first, ...result, id: 'b' }];
  const bundle = { resourceType: 'Bundle', type: 'collection', entry: resources.map((resource) => ({ resource })) };
  const two = await client(
    'POST',
    '$convert-data',
    given(['inputData', JSON.stringify(bundle)], ['inputDataType', 'Fhir']),
  );
  const [, ...told] = two.json.parameter as unknown as { name: string; valueString: string }[];
  assert.deepEqual(told, [
    {
      name: 'warning',
      valueString: 'Observation/b is not in the message, nothing of which refers to it: convert it by itself',
    },
  ]);
  const wrong = await client(
    'POST',
    '$convert-data',
    given(['inputData', converted.text], ['inputDataType', 'Fhir'], ['messageType', 'SIU^S12']),
  );
  assert.match(assertOutcome(wrong, 422, 'business-rule').diagnostics, /SIU is made of Appointment/);
});

const event = { system: 'http://terminology.hl7.org/CodeSystem/message-events', code: 'observation-provide' };

function fhirMessage(id: string, value: number, more: { header?: JsonObject; subject?: string } = {}): JsonObject {
  const base = 'https://lab.example/fhir';
  return {
    resourceType: 'Bundle',
    type: 'message',
    entry: [
      {
        fullUrl: `urn:uuid:${id}`,
        resource: {
          ...{ resourceType: 'MessageHeader', id, eventCoding: event, source: { endpoint: 'https://lab.example/out' } },
          focus: [{ reference: `${base}/Observation/1` }],
          ...more.header,
        },
      },
      {
        fullUrl: `${base}/Observation/1`,
        resource: {
          ...{ resourceType: 'Observation', id: '1', status: 'final', code: { text: 'K' }, valueQuantity: { value } },
          subject: { reference: more.subject ?? 'Patient/1' },
        },
      },
      {
        fullUrl: `${base}/Patient/1`,
        resource: {
          resourceType: 'Patient',
          id: '1',
          identifier: [{ system: 'urn:id:LAB', value: 'PM1' }],
          name: [{ family: 'DOE' }],
        },
      },
    ],
  };
}

const codeOf = (reply: Reply): JsonObject => (entries(reply)[0]!.resource as Resource).response as JsonObject;
const firstId = '0f9d3e0c-3b1e-4d58-9f7e-000000000001';

test('$process-message stores the content once, and a repetition gets the same answer', async () => {
  const replies = await Promise.all([1, 2, 3].map(() => client('POST', '$process-message', fhirMessage(firstId, 4))));
  for (const reply of replies) {
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(codeOf(reply), { identifier: firstId, code: 'ok' });
    assert.equal(reply.text, replies[0]!.text);
  }
  const found = await client('GET', 'Observation?subject:Patient.identifier=urn:id:LAB|PM1');
  assert.equal(found.json.total, 1, found.text);
  const [one] = entries(found);
  assert.notEqual(one!.resource!.id, '1', 'an id of another server is not ours');
  assert.equal((one!.resource!.meta as JsonObject).versionId, '1');
});

test('$process-message: another message changes what it is about; the same id with other content is refused', async () => {
  const next = await client('POST', '$process-message', fhirMessage('0f9d3e0c-3b1e-4d58-9f7e-000000000002', 5));
  assert.equal(codeOf(next).code, 'ok', next.text);
  const found = await client('GET', 'Observation?subject:Patient.identifier=urn:id:LAB|PM1');
  assert.deepEqual(
    entries(found).map(({ resource }) => (resource!.valueQuantity as JsonObject).value),
    [5],
  );
  const other = await client('POST', '$process-message', fhirMessage(firstId, 6));
  assert.equal(codeOf(other).code, 'fatal-error');
  assert.equal(((entries(other)[1]!.resource as Resource).issue as JsonObject[])[0]!.code, 'duplicate');
});

test('$process-message refuses what it does not process, and writes nothing of it', async () => {
  const unknown = { eventCoding: { ...event, code: 'valueset-expand' } };
  const reply = await client(
    'POST',
    '$process-message',
    fhirMessage('0f9d3e0c-3b1e-4d58-9f7e-000000000003', 7, { header: unknown }),
  );
  assert.equal(codeOf(reply).code, 'fatal-error');
  const missing = fhirMessage('0f9d3e0c-3b1e-4d58-9f7e-000000000004', 8, {
    subject: 'urn:uuid:00000000-0000-4000-8000-000000000000',
  });
  const dangling = await client('POST', '$process-message', missing);
  assert.equal(codeOf(dangling).code, 'fatal-error', dangling.text);
  const found = await client('GET', 'Observation?subject:Patient.identifier=urn:id:LAB|PM1');
  assert.deepEqual(
    entries(found).map(({ resource }) => (resource!.valueQuantity as JsonObject).value),
    [5],
  );
  assertOutcome(
    await client('POST', '$process-message', { resourceType: 'Bundle', type: 'collection' }),
    400,
    'invalid',
    'Bundle.type',
  );
});

test('$process-message names the entry of the message that is at fault', async () => {
  const subject = 'urn:uuid:00000000-0000-4000-8000-000000000000';
  const message = fhirMessage('0f9d3e0c-3b1e-4d58-9f7e-000000000014', 8, { subject });
  const reply = await client('POST', '$process-message', message);
  const [issue] = (entries(reply)[1]!.resource as Resource).issue as JsonObject[];
  assert.deepEqual(issue!.expression, ['Bundle.entry[1].resource.subject.reference']);
});

test('$process-message never takes the id of a sender whose server it is not told for one of ours', async () => {
  const message = fhirMessage('0f9d3e0c-3b1e-4d58-9f7e-000000000015', 9, {
    header: { focus: [{ reference: 'urn:uuid:0f9d3e0c-3b1e-4d58-9f7e-00000000000b' }] },
    subject: 'Patient/ours',
  });
  (message.entry as JsonObject[])[1]!.fullUrl = 'urn:uuid:0f9d3e0c-3b1e-4d58-9f7e-00000000000b';
  await client('PUT', 'Patient/ours', { resourceType: 'Patient', id: 'ours' });
  const reply = await client('POST', '$process-message', message);
  const { diagnostics } = assertOutcome(reply, 400, 'invalid', 'Bundle.entry[1].resource.subject.reference');
  assert.match(String(diagnostics), /^Nothing says of which server 'Patient\/ours' is/);
  assert.equal((await client('GET', 'Observation?subject=Patient/ours')).json.total, 0);
});

test('$process-message: a focus that did not come is told, not answered with ok', async () => {
  const id = '0f9d3e0c-3b1e-4d58-9f7e-000000000007';
  const whole = fhirMessage(id, 10, {
    header: { focus: [{ reference: 'urn:uuid:0f9d3e0c-3b1e-4d58-9f7e-00000000000a' }] },
  });
  const empty = { ...fhirMessage(id, 10), entry: (fhirMessage(id, 10).entry as JsonObject[]).slice(0, 1) };
  for (const message of [whole, empty]) {
    const reply = await client('POST', '$process-message', message);
    const { diagnostics } = assertOutcome(reply, 400, 'required', 'MessageHeader.focus[0].reference');
    assert.match(String(diagnostics), /is not in the message: what it is about comes as an entry of its own/);
  }
  assert.equal(codeOf(await client('POST', '$process-message', fhirMessage(id, 10))).code, 'ok');
});

test('$process-message does as a stored MessageDefinition says of its event', async () => {
  const own = { system: 'https://lab.example/events', code: 'culture' };
  const header = { eventCoding: own };
  const id = '0f9d3e0c-3b1e-4d58-9f7e-000000000005';
  assert.equal(codeOf(await client('POST', '$process-message', fhirMessage(id, 9, { header }))).code, 'fatal-error');
  const definition = {
    resourceType: 'MessageDefinition',
    status: 'active',
    date: '2026-01-01',
    eventCoding: own,
    category: 'currency',
  };
  assert.equal((await client('POST', 'MessageDefinition', definition)).status, 201);
  assert.equal(codeOf(await client('POST', '$process-message', fhirMessage(id, 9, { header }))).code, 'ok');
});

interface Answers {
  base: string;
  /** Path with query of each request, and what the message in it says to. */
  received: { path: string; response: JsonObject }[];
}

async function answerReceiver(t: TestContext): Promise<Answers> {
  const received: Answers['received'] = [];
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const message = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { entry: { resource: Resource }[] };
      received.push({ path: request.url!, response: message.entry[0]!.resource.response as JsonObject });
      response.end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  t.after(() => receiver.close());
  return { base: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`, received };
}

test('$process-message async: accepted, and the answer follows, also to who asks again', async (t) => {
  const { base, received } = await answerReceiver(t);
  const id = '0f9d3e0c-3b1e-4d58-9f7e-000000000006';
  const path = `$process-message?async=true&response-url=${encodeURIComponent(`${base}/answers?key=a%20b`)}`;
  for (const count of [1, 2]) {
    const reply = await client('POST', path, fhirMessage(id, 3));
    assert.deepEqual([reply.status, reply.text], [202, '']);
    await waitFor(async () => received.length === count, 'the answer');
  }
  const answer = { path: '/answers?key=a%20b&async=true', response: { identifier: id, code: 'ok' } };
  assert.deepEqual(received, [answer, answer]);
  const closed = await client(
    'POST',
    '$process-message?async=true&response-url=http://169.254.169.254/x',
    fhirMessage(id, 3),
  );
  assertOutcome(closed, 400, 'value', 'response-url');
});

test('$process-message async: without response-url the answer goes to $process-message of the sender', async (t) => {
  const { base, received } = await answerReceiver(t);
  const id = '0f9d3e0c-3b1e-4d58-9f7e-000000000008';
  const from = (endpoint: string) => fhirMessage(id, 3, { header: { source: { endpoint } } });
  const reply = await client('POST', '$process-message?async=true', from(`${base}/fhir/`));
  assert.equal(reply.status, 202, reply.text);
  await waitFor(async () => received.length > 0, 'the answer');
  assert.deepEqual(received, [{ path: '/fhir/$process-message?async=true', response: { identifier: id, code: 'ok' } }]);
  const elsewhere = await client('POST', '$process-message?async=true', from('urn:oid:1.2.3'));
  const { diagnostics } = assertOutcome(elsewhere, 400, 'value', 'MessageHeader.source.endpoint');
  assert.equal(
    diagnostics,
    'The answer cannot be sent to MessageHeader.source.endpoint. The endpoint must be an http: or https: URL. Parameter response-url can name another one.',
  );
});

test('$process-message async: a message that fails is refused, since 2xx would promise an answer', async (t) => {
  const { base, received } = await answerReceiver(t);
  const path = `$process-message?async=true&response-url=${encodeURIComponent(base)}`;
  const unknown = { eventCoding: { ...event, code: 'valueset-expand' } };
  const id = '0f9d3e0c-3b1e-4d58-9f7e-000000000009';
  const reply = await client('POST', path, fhirMessage(id, 3, { header: unknown }));
  assertOutcome(reply, 400, 'not-supported', 'MessageHeader.event[x]');
  const answer = { response: { identifier: firstId, code: 'ok' } };
  assert.equal((await client('POST', path, fhirMessage(id, 3, { header: answer }))).status, 202);
  const last = '0f9d3e0c-3b1e-4d58-9f7e-00000000000b';
  assert.equal((await client('POST', path, fhirMessage(last, 3))).status, 202);
  await waitFor(async () => received.length > 0, 'the answer');
  assert.deepEqual(
    received.map(({ response }) => response),
    [{ identifier: last, code: 'ok' }],
    'what answers another message is not answered',
  );
});
