// Subscriptions end to end: https://hl7.org/fhir/R4/subscription.html
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { createXmlCodec, loadDefinitions, parseJson, type Resource, type StoredVersion } from '#fhir-model';
import { startReceiver, waitFor } from '#platform/testing';
import { createRig, observation, subscription, waitForState, waitForStatus } from './testing/rig.ts';
import type { TestStore } from './testing/store.ts';

test('a requested Subscription becomes active and what matches afterwards is notified', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(observation('before'));
  await store.put(
    subscription('s', receiver.url, {
      channel: { type: 'rest-hook', endpoint: receiver.url, header: ['X-A: 1', 'X-A: 2'] },
    }),
  );
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await store.put(observation('other', 'b'));
  await store.put(observation('o1'));
  await waitFor(() => receiver.received.length === 2, 'two notifications');
  for (const [index, one] of receiver.received.entries()) {
    assert.equal(one.method, 'POST');
    assert.equal(one.path, '/hook');
    assert.equal(one.body, '');
    assert.equal(one.headers['content-length'], '0');
    assert.equal(one.headers['content-type'], undefined);
    assert.equal(one.headers['x-a'], '1, 2');
    assert.equal(one.headers['x-cerebra-subscription'], 's');
    assert.equal(one.number, index + 1);
  }
});

test('with a payload the resource is sent as an update of the endpoint', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(
    subscription('s', '', {
      channel: { type: 'rest-hook', endpoint: `${receiver.url}/`, payload: 'application/fhir+json' },
    }),
  );
  await waitForState(db, 's', 'active');
  await store.put(observation('o1', 'a', { note: [{ text: 'größer' }] }));
  await waitFor(() => receiver.received.length === 1, 'a notification');
  const [one] = receiver.received;
  assert.equal(one!.method, 'PUT');
  assert.equal(one!.path, '/hook/Observation/o1');
  assert.equal(one!.headers['content-type'], 'application/fhir+json');
  assert.equal(one!.body, (await store.reader.read('Observation', 'o1', { kind: 'everything' }))!.body);
});

test('a payload in XML, signed with the secret of the Subscription', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+xml; charset=utf-8' };
  const url = 'https://www.medplum.com/fhir/StructureDefinition/subscription-secret';
  await store.put(subscription('s', '', { channel, extension: [{ url, valueString: 'the secret' }] }));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1', 'a', { note: [{ text: 'größer & älter' }] }));
  await waitFor(() => receiver.received.length === 1, 'a notification');
  const [one] = receiver.received;
  assert.equal(one!.method, 'PUT');
  assert.equal(one!.headers['content-type'], 'application/fhir+xml; charset=utf-8');
  assert.match(one!.body, /<Observation xmlns="http:\/\/hl7.org\/fhir"><id value="o1"\/>/);
  assert.match(one!.body, /<text value="größer &amp; älter"\/>/);
  const signature = createHmac('sha256', 'the secret').update(one!.body).digest('hex');
  assert.equal(one!.headers['x-signature'], signature);
  const stored = await store.reader.read('Observation', 'o1', { kind: 'everything' });
  const { write, read } = createXmlCodec(await loadDefinitions());
  assert.equal(one!.body, write(parseJson(stored!.body).exact as Resource, false));
  assert.equal((await read(one!.body)).id, 'o1');
});

test('an unsound Subscription goes into error and says why', async (t) => {
  const { store, start } = await createRig(t);
  await start({ baseUrl: 'https://fhir.example.org/fhir/R4' });
  const channel = (rest: object) => ({ channel: { type: 'rest-hook', endpoint: 'https://example.org/x', ...rest } });
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ['type', { criteria: 'Nothing?code=a' }, /must begin with a resource type/],
    ['param', { criteria: 'Observation?nonsense=a' }, /nonsense/],
    ['include', { criteria: 'Observation?_include=Observation:subject' }, /_include is no criterion/],
    ['channel', channel({ type: 'sms' }), /supported are rest-hook, websocket, email/],
    [
      'payload',
      channel({ payload: 'text/plain' }),
      /payload must be absent, or application\/fhir\+json or application\/fhir\+xml/,
    ],
    ['metadata', channel({ endpoint: 'http://169.254.169.254/latest' }), /does not call/],
    ['private', channel({ endpoint: 'http://10.1.2.3/' }), /does not call/],
    ['octal', channel({ endpoint: 'http://0xa.0x1.2.3/' }), /does not call/],
    ['itself', channel({ endpoint: 'https://FHIR.example.org:443/x/../fhir/R4' }), /this server itself/],
    ['scheme', channel({ endpoint: 'file:///etc/passwd' }), /http: or https:/],
    ['user', channel({ endpoint: 'http://a:b@example.org/' }), /user name/],
    ['crlf', channel({ header: ['X-A: 1\r\nX-B: 2'] }), /header\[0\] is not of the form/],
    ['signed', channel({ header: ['X-Signature: 1'] }), /'X-Signature' can't be set/],
    ['unkept', { extension: [{ url: 'urn:cerebra:subscription-secret', valueString: '' }] }, /secret that signs/],
    ['email', channel({ type: 'email', endpoint: 'mailto:a@example.org' }), /sends no email.*SMTP_URL and SMTP_FROM/],
    ['host', channel({ header: ['Host: internal'] }), /'Host' can't be set/],
    ['secret', channel({ header: ['Authorization Bearer abc'] }), /^(?!.*abc).*header\[0\]/],
  ];
  for (const [id, rest] of cases) await store.put(subscription(id, 'https://example.org/x', rest));
  for (const [id, , text] of cases) assert.match(String((await waitForStatus(store, id, 'error')).error), text, id);
});

test('an endpoint that is this server by another name of loopback, or with a query', async (t) => {
  const { store, start } = await createRig(t);
  await start({ baseUrl: 'http://127.0.0.1:8080/fhir/R4' });
  const endpoints = [
    ...['localhost:8080/fhir/R4', 'LOCALHOST:8080/fhir/R4/', 'localhost.:8080/fhir/R4', 'x.localhost:8080/fhir/R4'],
    ...['127.1:8080/fhir/R4', '[::1]:8080/fhir/R4', '[::ffff:127.0.0.1]:8080/fhir/R4', '127.0.0.2:8080/fhir/R4/x'],
    ...['127.0.0.1:8080/fhir/R4?x=y', '127.0.0.1:8080/fhir/%52%34', '127.0.0.1:8080/fhir/R4#x'],
  ];
  for (const [i, one] of endpoints.entries()) await store.put(subscription(`own${i}`, `http://${one}`));
  for (const [i, one] of endpoints.entries()) {
    const { error } = await waitForStatus(store, `own${i}`, 'error');
    assert.equal(error, 'Subscription.channel.endpoint: the endpoint is this server itself', one);
  }
  const others = ['localhost:8081/fhir/R4', '127.0.0.1:8080/fhir/R4x', '127.0.0.1:8080/hook%zz', 'localhost/fhir/R4'];
  for (const [i, one] of others.entries()) await store.put(subscription(`other${i}`, `http://${one}`));
  for (const i of others.keys()) await waitForStatus(store, `other${i}`, 'active');
});

test('an endpoint that is this server where it listens, behind a gateway of another name', async (t) => {
  const { store, start } = await createRig(t);
  await start({ baseUrl: 'https://fhir.example.org/r4', rootUrl: 'http://127.0.0.1:8080' });
  const endpoints = ['127.0.0.1:8080/r4', 'localhost:8080/r4/', '[::1]:8080/admin/hl7/messages/1/reprocess'];
  for (const [i, one] of endpoints.entries()) await store.put(subscription(`own${i}`, `http://${one}`));
  for (const [i, one] of endpoints.entries()) {
    const { error } = await waitForStatus(store, `own${i}`, 'error');
    assert.equal(error, 'Subscription.channel.endpoint: the endpoint is this server itself', one);
  }
  const others = ['127.0.0.1:8080/fhir/R4', '127.0.0.1:8081/r4', '127.0.0.1:8080/administration'];
  for (const [i, one] of others.entries()) await store.put(subscription(`other${i}`, `http://${one}`));
  for (const i of others.keys()) await waitForStatus(store, `other${i}`, 'active');
});

test('a Subscription that a client set active itself is checked all the same', async (t) => {
  const { db, store, start } = await createRig(t);
  await start();
  await store.put(subscription('good', 'http://127.0.0.1:9/', { status: 'active' }));
  await store.put(subscription('bad', 'http://10.0.0.1/', { status: 'active' }));
  await waitForState(db, 'good', 'active');
  await waitForStatus(store, 'bad', 'error');
});

test('off and delete stop it, a new request resumes it with the numbers going on', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(subscription('s', receiver.url));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await waitFor(() => receiver.received.length === 1, 'a notification');
  await store.put(subscription('s', receiver.url, { status: 'off' }));
  await store.put(observation('o2'));
  await waitForState(db, 's', 'off');
  await store.put(subscription('s', receiver.url));
  await waitForState(db, 's', 'active');
  await store.put(observation('o3'));
  await waitFor(() => receiver.received.length === 2, 'the second notification');
  await store.remove('Subscription', 's');
  await store.put(observation('o4'));
  await waitForState(db, 's', 'deleted');
  await store.put(subscription('s', receiver.url));
  await waitForState(db, 's', 'active');
  await store.put(observation('o5'));
  await waitFor(() => receiver.received.length === 3, 'the third notification');
  assert.deepEqual(
    receiver.received.map(({ number }) => number),
    [1, 2, 3],
  );
});

test('a Subscription changed while it is active loses nothing in between', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(subscription('s', receiver.url));
  await waitForState(db, 's', 'active');
  await store.put(subscription('s', receiver.url, { reason: 'changed' }));
  await store.put(observation('o1'));
  await waitFor(() => receiver.received.length === 1, 'a notification');
  await waitForStatus(store, 's', 'active');
});

test('nothing after the end, and the server turns it off', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(subscription('s', receiver.url, { end: '2001-01-01T00:00:00Z' }));
  await waitForStatus(store, 's', 'off');
  await store.put(observation('o1'));
  await store.put(subscription('t', receiver.url));
  await waitForState(db, 't', 'active');
  await store.put(observation('o2'));
  await waitFor(() => receiver.received.length === 1, 'the notification of the other one');
  assert.equal(receiver.received[0]!.headers['x-cerebra-subscription'], 't');
});

test('a deletion is not notified', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  await store.put(subscription('s', receiver.url, { criteria: 'Observation' }));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await store.remove('Observation', 'o1');
  await store.put(observation('o2'));
  await waitFor(() => receiver.received.length === 2, 'two notifications');
  const rows = await db.query<{ id: string }>({
    text: `select id from delivery where subscriber = 's' order by number`,
  });
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['o1', 'o2'],
  );
});

test('the body is the newest version that meets the criteria, else the one that did', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  await start();
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  receiver.answer = () => gate.then(() => 200);
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' };
  await store.put(subscription('s', receiver.url, { channel }));
  await waitForState(db, 's', 'active');
  await store.put(observation('first'));
  await waitFor(() => receiver.received.length === 1, 'the first notification');
  await store.put(observation('changed'));
  await store.put(observation('changed'));
  await store.put(observation('recoded'));
  await store.put(observation('recoded', 'b'));
  await store.put(observation('deleted'));
  await store.remove('Observation', 'deleted');
  await store.put(observation('last'));
  open();
  await waitFor(() => receiver.received.length === 6, 'the other notifications');
  const sent = receiver.received.map(({ path, body }) => `${path.slice(18)} ${JSON.parse(body).meta.versionId}`);
  assert.deepEqual(sent, ['first 1', 'changed 2', 'changed 2', 'recoded 1', 'deleted 1', 'last 1']);
});

test('a receiver that is behind gets no older version after a newer one, whatever becomes of the resource', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const gates = Array.from({ length: 8 }, () => Promise.withResolvers<void>());
  receiver.answer = () => gates[receiver.received.length - 1]!.promise.then(() => 200);
  await start();
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' };
  await store.put(subscription('s', receiver.url, { channel }));
  await waitForState(db, 's', 'active');
  await store.put(observation('first'));
  await waitFor(() => receiver.received.length === 1, 'the first notification');
  for (let i = 0; i < 3; i++) await store.put(observation('o1'));
  gates[0]!.resolve();
  await waitFor(() => receiver.received.length === 2, 'the newest version');
  // More versions that don't meet the criteria than are read at once, and in the end a deletion.
  for (let i = 0; i < 10; i++) await store.put(observation('o1', 'b'));
  gates[1]!.resolve();
  await waitFor(() => receiver.received.length === 3, 'the second event');
  await store.remove('Observation', 'o1');
  gates[2]!.resolve();
  await waitFor(() => receiver.received.length === 4, 'the third event');
  const sent = receiver.received.map(({ path, body }) => `${path.slice(18)} ${JSON.parse(body).meta.versionId}`);
  assert.deepEqual(sent, ['first 1', 'o1 3', 'o1 3', 'o1 3']);
  for (const gate of gates) gate.resolve();
});

const currentOf = async ({ reader }: TestStore, ids: string[]): Promise<StoredVersion[]> => {
  const found = await Promise.all(ids.map((id) => reader.read('Observation', id, { kind: 'everything' })));
  return found.filter((one) => one !== undefined);
};

test('criteria that need the database: the very versions, in their order', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const gate = Promise.withResolvers<void>();
  receiver.answer = () => gate.promise.then(() => 200);
  // The database finds all of them.
  const search = async () => ({ resources: await currentOf(store, ['first', 'o1']), included: [] });
  await start({ reader: { ...store.reader, search } });
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' };
  const criteria = 'Observation?code=http://x|a&subject:Patient.family=Doe';
  await store.put(subscription('s', receiver.url, { channel, criteria }));
  await waitForState(db, 's', 'active');
  await store.put(observation('first'));
  await waitFor(() => receiver.received.length === 1, 'the first notification');
  for (let i = 0; i < 2; i++) await store.put(observation('o1'));
  const owed = { text: 'select last_number from subscriber where last_number = 3' };
  await waitFor(async () => (await db.query(owed)).length === 1, 'both to be owed');
  await store.put(observation('o1', 'b'));
  gate.resolve();
  await waitFor(() => receiver.received.length === 3, 'the other notifications');
  const sent = receiver.received.map(({ path, body }) => `${path.slice(18)} ${JSON.parse(body).meta.versionId}`);
  assert.deepEqual(sent, ['first 1', 'o1 1', 'o1 2']);
});

test('what is nowhere to be found any more is recorded as gone and does not hold up the next', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  const gone = Promise.withResolvers<void>();
  receiver.answer = () => (receiver.received.length === 1 ? gone.promise.then(() => 500) : 200);
  await start();
  const channel = { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' };
  await store.put(subscription('s', receiver.url, { channel }));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  await waitFor(() => receiver.received.length === 1, 'the first attempt');
  await store.remove('Observation', 'o1');
  await db.query({ text: `delete from test_version where id = 'o1' and version = 1` });
  gone.resolve();
  await store.put(observation('o2'));
  await waitFor(() => receiver.received.length === 2, 'the next one');
  assert.equal(receiver.received[1]!.path, '/hook/Observation/o2');
  const rows = await db.query({
    text: `select number, outcome from delivery where subscriber = 's' and outcome = 'gone'`,
  });
  assert.deepEqual(rows, [{ number: 1n, outcome: 'gone' }]);
});

test('a receiver that names a date in Retry-After is not called before', async (t) => {
  const { db, store, start } = await createRig(t);
  const receiver = await startReceiver(t);
  receiver.answer = (_, response) => {
    // Its clock is wrong, and the same in both.
    response.writeHead(503, { Date: 'Sun, 22 Nov 2020 08:00:00 GMT', 'Retry-After': 'Sun, 22 Nov 2020 08:05:00 GMT' });
    response.end();
    return undefined;
  };
  await start({ limits: { backoffMsMin: 5, backoffMsMax: 600_000 } });
  await store.put(subscription('s', receiver.url));
  await waitForState(db, 's', 'active');
  await store.put(observation('o1'));
  const text = `select round(extract(epoch from due_at - statement_timestamp()) / 60)::int as minutes
    from subscriber where attempts = 1`;
  assert.deepEqual(await waitFor(async () => (await db.query({ text }))[0], 'the first attempt'), { minutes: 5 });
});
