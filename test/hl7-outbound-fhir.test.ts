// What is written over FHIR goes out as HL7 v2: a Subscription with a channel of type message, a destination, a receiver.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import test, { after, before } from 'node:test';
import type { Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { type Client, createClient } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

const received: string[] = [];
const sockets = new Set<Socket>();

/** Takes frames and acknowledges them. */
const receiver = createServer((socket) => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('utf8');
    for (let end = text.indexOf('\x1c\r'); end >= 0; end = text.indexOf('\x1c\r')) {
      const message = text.slice(text.indexOf('\x0b') + 1, end);
      text = text.slice(end + 2);
      received.push(message);
      const controlId = message.split('|')[9];
      socket.write(`\x0bMSH|^~\\&|R|R|C|C|20260101||ACK|A${controlId}|P|2.5.1\rMSA|AA|${controlId}\r\x1c\r`);
    }
  });
});

let server: TestServer;
let client: Client;

before(async () => {
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address() as AddressInfo;
  const retry = { minMs: 10, maxMs: 20 };
  const destinations = [{ name: 'lis', kind: 'mllp', host: '127.0.0.1', port, retry }];
  server = await startTestServer({ HL7_DESTINATIONS: JSON.stringify(destinations) });
  client = createClient(server.fhirBaseUrl);
});

after(async () => {
  await server.stop();
  for (const socket of sockets) socket.destroy();
  receiver.close();
});

async function create(resource: Record<string, unknown>): Promise<Resource & { id: string }> {
  const reply = await client('POST', String(resource.resourceType), resource);
  assert.equal(reply.status, 201, reply.text);
  return reply.json as Resource & { id: string };
}

const channel = (header: string[] = [], more: Record<string, unknown> = {}) => ({
  type: 'message',
  endpoint: 'hl7v2:lis',
  payload: 'x-application/hl7-v2+er7',
  ...(header.length === 0 ? {} : { header }),
  ...more,
});

async function subscribe(criteria: string, given: Record<string, unknown>, expected = 'active'): Promise<Resource> {
  const asked = { resourceType: 'Subscription', status: 'requested', reason: 'test', criteria, channel: given };
  const { id } = await create(asked);
  let found: Resource | undefined;
  await waitFor(async () => {
    found = (await client('GET', `Subscription/${id}`)).json;
    return found.status !== 'requested';
  }, 'the Subscription to be checked');
  assert.equal(found!.status, expected, JSON.stringify(found));
  return found!;
}

/** The messages about a patient of that number, without MSH. */
const about = (number: string): string[][] =>
  received.filter((text) => text.includes(`|${number}^`)).map((text) => text.split('\r').slice(1, -1));

const arrived = (number: string, count: number): Promise<unknown> =>
  waitFor(async () => about(number).length >= count, `${count} messages about ${number}`);

const patient = (value: string) => ({
  resourceType: 'Patient',
  identifier: [
    {
      system: 'urn:id:HOSP',
      value,
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] },
    },
  ],
  name: [{ use: 'official', family: 'DOE', given: ['JANE'] }],
  birthDate: '1980-04-05',
  gender: 'female',
});

const potassium = { coding: [{ system: 'http://loinc.org', code: '2823-3', display: 'Potassium' }] };

const reading = (subject: string, value: string) => `{
  "resourceType": "Observation", "status": "final", "code": ${JSON.stringify(potassium)},
  "subject": {"reference": "${subject}"}, "effectiveDateTime": "2026-01-31T08:00:00+01:00",
  "valueQuantity": {"value": ${value}, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
  "referenceRange": [{"low": {"value": 3.5}, "high": {"value": 5.1}}]
}`;

test('an Observation becomes an ORU^R01 that arrives, digits and all; a correction follows it', async () => {
  await subscribe(
    'Observation?code=http://loinc.org|2823-3',
    channel(['Message: ORU^R01', 'Receiving-Application: LIS']),
  );
  const { id } = await create(patient('P1'));
  const reply = await client('POST', 'Observation', reading(`Patient/${id}`, '5.10'));
  assert.equal(reply.status, 201, reply.text);
  await arrived('P1', 1);
  const [obr, obx] = about('P1')[0]!.slice(-2);
  assert.match(
    obr!,
    new RegExp(
      `^OBR\\|1\\|\\|${reply.json.id}\\^CEREBRA\\|2823-3\\^Potassium\\^LN\\|\\|\\|20260131080000\\+0100\\|.*\\|F$`,
    ),
  );
  assert.equal(obx, 'OBX|1|NM|2823-3^Potassium^LN||5.10|mmol/L^mmol/L^UCUM|3.5-5.1||||F|||20260131080000+0100');
  assert.equal(about('P1')[0]![0], 'PID|1||P1^^^HOSP^MR||DOE^JANE^^^^^L||19800405|F');
  assert.match(
    received.at(-1)!,
    /^MSH\|\^~\\&\|CEREBRA\|CEREBRA\|LIS\|\|\d{14}\+0000\|\|ORU\^R01\^ORU_R01\|C[0-9A-F]{19}\|P\|2\.5\.1\r/,
  );
  const corrected = reading(`Patient/${id}`, '4.20').replace('"final"', `"corrected", "id": "${reply.json.id}"`);
  assert.equal((await client('PUT', `Observation/${reply.json.id}`, corrected)).status, 200);
  await arrived('P1', 2);
  assert.match(about('P1')[1]!.at(-1)!, /^OBX\|1\|NM\|2823-3\^Potassium\^LN\|\|4\.20\|.*\|C\|\|\|/);
});

test('a visit is told as it goes: registered, changed, ended', async () => {
  await subscribe('Encounter?', channel(['Message: ADT', 'Version: 2.4']));
  const { id } = await create(patient('P2'));
  const visit = {
    resourceType: 'Encounter',
    status: 'in-progress',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' },
    identifier: [{ system: 'urn:id:HOSP', value: 'V2' }],
    subject: { reference: `Patient/${id}` },
    period: { start: '2026-02-01T10:00:00Z' },
  };
  const created = await create(visit);
  await arrived('P2', 1);
  const update = (more: Record<string, unknown>) =>
    client('PUT', `Encounter/${created.id}`, { ...visit, id: created.id, ...more });
  assert.equal((await update({ priority: { text: 'sooner' } })).status, 200);
  await arrived('P2', 2);
  const period = { ...visit.period, end: '2026-02-03T09:30:00Z' };
  assert.equal((await update({ status: 'finished', period })).status, 200);
  await arrived('P2', 3);
  const types = received.filter((text) => text.includes('|P2^')).map((text) => text.split('|')[8]);
  assert.deepEqual(types, ['ADT^A01^ADT_A01', 'ADT^A08^ADT_A01', 'ADT^A03^ADT_A03']);
  assert.equal(
    about('P2')[2]!.at(-1),
    'PV1|1|I|||||||||||||||||V2^^^HOSP|||||||||||||||||||||||||20260201100000+0000|20260203093000+0000',
  );
});

test('an appointment is booked, moved and called off', async () => {
  await subscribe('Appointment?', channel());
  const { id } = await create(patient('P3'));
  const appointment = {
    resourceType: 'Appointment',
    status: 'booked',
    start: '2026-03-01T09:00:00Z',
    end: '2026-03-01T09:30:00Z',
    participant: [{ actor: { reference: `Patient/${id}` }, status: 'accepted' }],
  };
  const created = await create(appointment);
  const update = (more: Record<string, unknown>) =>
    client('PUT', `Appointment/${created.id}`, { ...appointment, id: created.id, ...more });
  await arrived('P3', 1);
  await update({ start: '2026-03-01T10:00:00Z', end: '2026-03-01T10:30:00Z' });
  await arrived('P3', 2);
  await update({ start: '2026-03-01T10:00:00Z', end: '2026-03-01T10:30:00Z', status: 'cancelled' });
  await arrived('P3', 3);
  const types = received.filter((text) => text.includes('|P3^')).map((text) => text.split('|')[8]);
  assert.deepEqual(types, ['SIU^S12^SIU_S12', 'SIU^S13^SIU_S12', 'SIU^S15^SIU_S12']);
});

test('what can be no message is set aside, and the next one goes', async () => {
  await subscribe('Immunization?', channel(['Message: VXU^V04']));
  const { id } = await create(patient('P4'));
  const vaccination = (reference: Record<string, unknown>) => ({
    resourceType: 'Immunization',
    status: 'completed',
    vaccineCode: { coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '140' }] },
    patient: reference,
    occurrenceDateTime: '2026-01-05',
  });
  await create(vaccination({ display: 'somebody' }));
  await create(vaccination({ reference: `Patient/${id}` }));
  await arrived('P4', 1);
  assert.match(
    about('P4')[0]!.find((line) => line.startsWith('RXA'))!,
    /^RXA\|0\|1\|20260105\|20260105\|140\^\^CVX\|999\|/,
  );
});

const refusals: [name: string, criteria: string, given: Record<string, unknown>, error: RegExp][] = [
  ['an unknown destination', 'Observation?', channel([], { endpoint: 'hl7v2:nowhere' }), /endpoint.*hl7v2:lis/],
  [
    'another payload',
    'Observation?',
    channel([], { payload: 'application/fhir+json' }),
    /payload.*x-application\/hl7-v2\+er7/,
  ],
  ['an unknown message', 'Observation?', channel(['Message: ZZZ^Z01']), /ZZZ\^Z01/],
  [
    'a message of another resource',
    'Patient?',
    channel(['Message: ORU^R01']),
    /ORU is made of DiagnosticReport or Observation/,
  ],
  ['an unknown version', 'Observation?', channel(['Version: 3.0']), /Version is one of/],
  ['an unknown header line', 'Observation?', channel(['Cookie: x']), /'Cookie' is none of/],
];

for (const [name, criteria, given, error] of refusals) {
  test(`a Subscription with ${name} is in error`, async () => {
    const subscription = await subscribe(criteria, given, 'error');
    assert.match(String(subscription.error), error);
  });
}
