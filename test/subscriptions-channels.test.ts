// R4 Subscriptions from outside, on a whole server: https://hl7.org/fhir/R4/subscription.html
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, type TestContext, test } from 'node:test';
import { type MailServer, openSocket, startMailServer, startReceiver, waitFor } from '#platform/testing';
import { type Client, createClient } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';
import { createWire } from './wire.ts';

let server: TestServer;
let fhir: Client;
let mail: MailServer;
let url: string;
const cleanUp: (() => unknown)[] = [];

before(async () => {
  mail = await startMailServer({ after: (end: () => unknown) => cleanUp.push(end) } as unknown as TestContext);
  server = await startTestServer({
    SMTP_URL: mail.url,
    SMTP_FROM: 'no-reply@example.org',
    WEBSOCKET_BINDINGS_MAX: '2',
  });
  fhir = createClient(server.fhirBaseUrl);
  url = `${server.fhirBaseUrl.replace('http', 'ws')}/ws`;
});
after(async () => {
  await server.stop();
  for (const end of cleanUp) await end();
});

async function subscribe(criteria: string, channel: object, rest: object = {}, status = 'active'): Promise<string> {
  const resource = { resourceType: 'Subscription', status: 'requested', reason: 'a test', criteria, channel, ...rest };
  const created = await fhir('POST', 'Subscription', resource);
  assert.equal(created.status, 201, created.text);
  const { id } = created.json;
  await waitFor(async () => (await fhir('GET', `Subscription/${id}`)).json.status === status, `it to be ${status}`);
  return id!;
}

async function put(type: string, id: string, rest: object): Promise<void> {
  const { status, text } = await fhir('PUT', `${type}/${id}`, { resourceType: type, id, ...rest });
  assert.ok(status < 300, text);
}

const observation = (code: string, rest: object = {}) => ({
  ...{ status: 'final', code: { coding: [{ system: 'http://example.org/codes', code }] } },
  ...rest,
});

test('the CapabilityStatement tells where web sockets are, and there a client is pinged', async (t) => {
  const [rest] = (await fhir('GET', 'metadata')).json.rest as unknown as { extension: unknown }[];
  assert.deepEqual(rest!.extension, [
    { url: 'http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket', valueUri: url },
  ]);
  const id = await subscribe('Observation?code=ws', { type: 'websocket' });
  const client = await openSocket(t, url);
  client.say(`bind ${id}`);
  assert.deepEqual(await client.hears(1), [`bound ${id}`]);
  await put('Observation', 'ws1', observation('ws'));
  assert.deepEqual(await client.hears(2), [`bound ${id}`, `ping ${id}`]);
  const metrics = await fetch(`${server.rootUrl}/metrics`).then((reply) => reply.text());
  assert.match(metrics, /^cerebra_websocket_connections 1$/m);
});

test('a patient is watched at the root and below the FHIR base', async (t) => {
  await put('Patient', 'watched', {});
  const root = `${server.rootUrl.replace('http', 'ws')}/ws/patient/watched`;
  const sockets = [await openSocket(t, root), await openSocket(t, `${url}/patient/watched`)];
  await Promise.all(sockets.map((socket) => socket.hears(1)));
  await put('Observation', 'w1', observation('watch', { subject: { reference: 'Patient/watched' } }));
  for (const socket of sockets) {
    const [, text] = await socket.hears(2);
    const { kind, type, id, resource } = JSON.parse(text!);
    assert.deepEqual([kind, type, id, resource.status], ['observation', 'Observation', 'w1', 'final']);
  }
  await assert.rejects(openSocket(t, `${root}x`), /Unexpected server response: 404/);
  await assert.rejects(openSocket(t, root, { origin: 'https://evil.example.org' }), /Unexpected server response: 403/);
});

test('other paths, pages of other origins and plain requests get no web socket', async (t) => {
  await assert.rejects(openSocket(t, `${url}/x`), /Unexpected server response: 404/);
  await assert.rejects(openSocket(t, url.replace('/fhir/R4', '')), /Unexpected server response: 404/);
  await assert.rejects(openSocket(t, url, { origin: 'https://evil.example.org' }), /Unexpected server response: 403/);
  await openSocket(t, url, { origin: server.rootUrl });
  assert.equal((await fhir('GET', 'ws')).status, 404);
  const wire = createWire(fhir.base);
  const other = await wire('GET', '/metadata', { Upgrade: 'h2c', Connection: 'Upgrade' });
  assert.equal(other.status, 200);
});

test('criteria that need the database: chains, _has and value sets', async (t) => {
  const receiver = await startReceiver(t);
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' };
  await put('ValueSet', 'vs', {
    ...{ url: 'http://example.org/vs', status: 'active' },
    compose: { include: [{ system: 'http://example.org/codes', concept: [{ code: 'in1' }, { code: 'in2' }] }] },
  });
  await put('Patient', 'anna', { name: [{ family: 'TESTA' }] });
  await put('Patient', 'bert', { name: [{ family: 'TESTB' }] });
  const chain = await subscribe('Observation?code=chain&subject:Patient.family=TESTA', channel);
  const has = await subscribe('Patient?_has:Observation:patient:code=chain', channel);
  const valueSet = await subscribe('Observation?code:in=http://example.org/vs', channel);
  const heard = (id: string) =>
    receiver.received
      .filter(({ headers }) => headers['x-cerebra-subscription'] === id)
      .map(({ path }) => path.slice(6));

  const of = (id: string) => ({ subject: { reference: `Patient/${id}` } });
  await put('Observation', 'c1', observation('chain', of('bert')));
  await put('Observation', 'c2', observation('chain', of('anna')));
  await put('Observation', 'c3', observation('other', of('anna')));
  await put('Observation', 'v1', observation('in2'));
  await put('Observation', 'v2', observation('out'));
  await put('Patient', 'carl', { name: [{ family: 'TESTC' }] });
  // c1 is decided before c2: by then its patient must not have the name yet.
  await waitFor(() => heard(chain).length >= 1, 'c2 to be told');
  await put('Patient', 'bert', { name: [{ family: 'TESTA' }] });
  await put('Observation', 'c4', observation('chain', of('bert')));
  await put('Observation', 'v3', observation('in1'));
  await waitFor(
    () => heard(chain).length >= 2 && heard(has).length >= 1 && heard(valueSet).length >= 2,
    'all to be told',
  );
  assert.deepEqual(heard(chain), ['Observation/c2', 'Observation/c4']);
  assert.deepEqual(heard(has), ['Patient/bert']);
  assert.deepEqual(heard(valueSet), ['Observation/v1', 'Observation/v3']);
});

test('criteria that the database refuses go into error with its reason; when it refuses later, too', async (t) => {
  const receiver = await startReceiver(t);
  const channel = { type: 'rest-hook', endpoint: receiver.url };
  const unknown = await subscribe('Observation?code:in=http://example.org/unknown', channel, {}, 'error');
  const { error } = (await fhir('GET', `Subscription/${unknown}`)).json;
  assert.match(String(error), /^Subscription\.criteria: .*http:\/\/example\.org\/unknown/);

  await put('ValueSet', 'gone', {
    ...{ url: 'http://example.org/gone', status: 'active' },
    compose: { include: [{ system: 'http://example.org/codes', concept: [{ code: 'in3' }] }] },
  });
  const id = await subscribe('Observation?code:in=http://example.org/gone', channel);
  assert.equal((await fhir('DELETE', 'ValueSet/gone')).status, 204);
  await put('Observation', 'g1', observation('in3'));
  const failed = async () => (await fhir('GET', `Subscription/${id}`)).json;
  await waitFor(async () => (await failed()).status === 'error', 'it to be in error');
  assert.match(String((await failed()).error), /http:\/\/example\.org\/gone/);
});

test('status, end, XML and the signature of a rest-hook', async (t) => {
  const receiver = await startReceiver(t);
  const channel = {
    type: 'rest-hook',
    endpoint: receiver.url,
    payload: 'application/fhir+xml',
    header: ['X-Key: abc'],
  };
  const extension = [{ url: 'urn:cerebra:subscription-secret', valueString: 'top' }];
  const id = await subscribe('Observation?code=xml', channel, { extension });
  const past = await subscribe('Observation?code=xml', channel, { end: '2001-01-01T00:00:00Z' }, 'off');
  await put('Observation', 'x1', observation('xml', { valueQuantity: { value: 1.5 } }));
  const [one] = await waitFor(() => receiver.received.length > 0 && receiver.received, 'a notification');
  assert.equal(one!.headers['x-cerebra-subscription'], id);
  assert.notEqual(past, id);
  assert.equal(one!.headers['x-key'], 'abc');
  assert.match(one!.body, /<valueQuantity><value value="1.5"\/><\/valueQuantity>/);
  assert.equal(one!.headers['x-signature'], createHmac('sha256', 'top').update(one!.body).digest('hex'));
});

test('an email through the configured mail server', async () => {
  await subscribe('Observation?code=mail', { type: 'email', endpoint: 'mailto:nurse@example.org' });
  await put('Observation', 'm1', observation('mail'));
  const [one] = await waitFor(() => mail.mails.length > 0 && mail.mails, 'a mail');
  assert.deepEqual(one!.to, ['<nurse@example.org>']);
  assert.ok(one!.text.endsWith(`\r\n\r\na test\r\n\r\n${server.fhirBaseUrl}\r\n`), one!.text);
});
