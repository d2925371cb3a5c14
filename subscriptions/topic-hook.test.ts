// Notifications of topics to rest-hooks: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createXmlCodec, type JsonObject, loadDefinitions, type Resource } from '#fhir-model';
import { startReceiver, waitFor } from '#platform/testing';
import { createRig, type Rig, waitForStatus } from './testing/rig.ts';
import {
  activate,
  allDone,
  appointment,
  appointmentTopic,
  bundles,
  eventNumbers,
  events,
  ofType,
  statusPart,
  topicSubscription,
  typeOf,
} from './testing/topic.ts';

const baseUrl = 'https://fhir.example.org/fhir/R4';
const profiles = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';

const currentOf = async ({ store }: Rig, id: string): Promise<Resource> =>
  JSON.parse((await store.reader.read('Appointment', id, { kind: 'everything' }))!.body) as Resource;

test('handshake, then each event as a history with its status first', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl });
  await activate(rig, topicSubscription('s', `${receiver.url}?a=1`));
  await rig.store.put(appointment('a', 'booked', { minutesDuration: 30 }));
  const created = await currentOf(rig, 'a');
  await rig.store.put(appointment('a', 'cancelled'));
  const cancelled = await currentOf(rig, 'a');
  await rig.store.remove('Appointment', 'a');
  await allDone(rig, 's', 3);
  const [handshake, ...told] = bundles(receiver.received);
  assert.deepEqual(
    receiver.received.map(({ method, path }) => `${method} ${path}`),
    new Array(4).fill('POST /hook?a=1'),
  );
  assert.deepEqual(
    receiver.received.map(({ headers }) => [headers['content-type'], headers['x-cerebra-event-number']]),
    [undefined, '1', '2', '3'].map((number) => ['application/fhir+json', number]),
  );
  const status = (bundle: Resource, parameter: JsonObject[]) => {
    assert.match(String(bundle.id), /^[0-9a-f-]{36}$/);
    return {
      fullUrl: `urn:uuid:${bundle.id}`,
      resource: {
        ...{ resourceType: 'Parameters', id: bundle.id },
        meta: { profile: [`${profiles}/backport-subscription-status-r4`] },
        parameter: [
          { name: 'subscription', valueReference: { reference: `${baseUrl}/Subscription/s` } },
          { name: 'topic', valueCanonical: appointmentTopic },
          ...parameter,
        ],
      },
      request: { method: 'GET', url: `${baseUrl}/Subscription/s/$status` },
      response: { status: '200' },
    };
  };
  const history = (bundle: Resource, entry: JsonObject[]) => ({
    ...{
      resourceType: 'Bundle',
      id: bundle.id,
      meta: { profile: [`${profiles}/backport-subscription-notification-r4`] },
    },
    ...{ type: 'history', timestamp: bundle.timestamp, entry },
  });
  assert.deepEqual(
    handshake,
    history(handshake!, [
      status(handshake!, [
        { name: 'status', valueCode: 'requested' },
        { name: 'type', valueCode: 'handshake' },
        { name: 'events-since-subscription-start', valueString: '0' },
      ]),
    ]),
  );
  const fullUrl = `${baseUrl}/Appointment/a`;
  const changes = [
    { resource: created, request: { method: 'PUT', url: 'Appointment/a' }, status: '201' },
    { resource: cancelled, request: { method: 'PUT', url: 'Appointment/a' }, status: '200' },
    { request: { method: 'DELETE', url: 'Appointment/a' }, status: '204' },
  ];
  changes.forEach(({ resource, request, status: code }, index) => {
    const bundle = told[index]!;
    const number = String(index + 1);
    const response = (bundle.entry as { response: JsonObject }[])[1]!.response;
    const timestamp = String(response.lastModified);
    if (resource) assert.equal(timestamp, resource.meta!.lastUpdated);
    assert.deepEqual(
      bundle,
      history(bundle, [
        status(bundle, [
          { name: 'status', valueCode: 'active' },
          { name: 'type', valueCode: 'event-notification' },
          { name: 'events-since-subscription-start', valueString: number },
          {
            name: 'notification-event',
            part: [
              { name: 'event-number', valueString: number },
              { name: 'timestamp', valueInstant: timestamp },
              { name: 'focus', valueReference: { reference: fullUrl } },
            ],
          },
        ]),
        {
          fullUrl,
          ...(resource ? { resource } : {}),
          request,
          response: { status: code, etag: `W/"${number}"`, lastModified: timestamp },
        },
      ]),
    );
  });
});

test('empty says that there was something, id-only which; XML is the same', async (t) => {
  const rig = await createRig(t);
  const [empty, ids] = [await startReceiver(t), await startReceiver(t)];
  await rig.start({ baseUrl });
  await activate(rig, topicSubscription('empty', empty.url, { content: 'empty' }));
  await activate(rig, topicSubscription('ids', ids.url, { content: 'id-only', payload: 'application/fhir+xml' }));
  await rig.store.put(appointment('a'));
  await allDone(rig, 'empty', 1);
  await allDone(rig, 'ids', 1);
  assert.doesNotMatch(empty.received.map(({ body }) => body).join(), /Appointment|topic:/);
  const [shook, told] = bundles(empty.received);
  assert.deepEqual([typeOf(shook!), typeOf(told!)], ['handshake', 'event-notification']);
  assert.deepEqual([eventNumbers(told!), (told!.entry as unknown[]).length], [[1], 1]);
  const { read } = createXmlCodec(await loadDefinitions());
  assert.equal(ids.received[1]!.headers['content-type'], 'application/fhir+xml');
  const bundle = await read(ids.received[1]!.body);
  assert.deepEqual(eventNumbers(bundle), [1]);
  assert.equal(statusPart(bundle, 'topic'), appointmentTopic);
  const [, entry] = bundle.entry as JsonObject[];
  assert.equal(entry!.fullUrl, `${baseUrl}/Appointment/a`);
  assert.equal(entry!.resource, undefined);
  assert.deepEqual(entry!.request, { method: 'PUT', url: 'Appointment/a' });
});

test('an endpoint that does not take the handshake: the Subscription is in error, and nothing is sent', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  receiver.answer = () => 403;
  await rig.start({ baseUrl });
  await rig.store.put(topicSubscription('s', receiver.url));
  const failed = await waitForStatus(rig.store, 's', 'error');
  assert.equal(failed.error, 'The handshake failed. The endpoint answered with HTTP 403');
  await rig.store.put(appointment('missed'));
  receiver.answer = () => 200;
  await activate(rig, topicSubscription('s', receiver.url));
  await rig.store.put(appointment('told'));
  await allDone(rig, 's', 1);
  assert.deepEqual(bundles(receiver.received).map(typeOf), ['handshake', 'handshake', 'event-notification']);
  assert.match(receiver.received[2]!.body, /Appointment\/told/);
});

test('one that a client sets active itself needs the handshake as well; a hanging endpoint holds up no other', async (t) => {
  const rig = await createRig(t);
  const [hanging, fine] = [await startReceiver(t), await startReceiver(t)];
  hanging.answer = () => undefined;
  await rig.start({ baseUrl });
  const rest = { status: 'active' };
  await rig.store.put(topicSubscription('hanging', hanging.url, { rest }));
  await waitFor(() => hanging.received.length === 1, 'the handshake');
  await activate(rig, topicSubscription('fine', fine.url, { rest }));
  await rig.store.put(appointment('a'));
  await allDone(rig, 'fine', 1);
  assert.deepEqual(bundles(fine.received).map(typeOf), ['handshake', 'event-notification']);
  const [{ last } = { last: -1n }] = await rig.db.query<{ last: bigint }>({
    text: `select last_number as last from subscriber where id = 'hanging' and state = 'requested'`,
  });
  assert.equal(last, 0n);
});

test('events that wait go together, as maxCount allows; what fails comes again', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  await rig.start({ baseUrl });
  await activate(rig, topicSubscription('s', receiver.url, { maxCount: 3, content: 'id-only' }));
  const held = Promise.withResolvers<number>();
  const answers: (number | Promise<number>)[] = [held.promise, 500, 200, 503];
  receiver.answer = () => answers.shift() ?? 200;
  for (let i = 1; i <= 8; i++) await rig.store.put(appointment(`a${i}`));
  await waitFor(
    async () => (await rig.db.query({ text: 'select 1 from delivery where number = 8' })).length === 1,
    'eight deliveries',
  );
  held.resolve(200);
  await allDone(rig, 's', 8);
  const told = ofType(receiver.received, 'event-notification');
  const first = eventNumbers(told[0]!).length;
  assert.ok(first >= 1 && first <= 3);
  const numbers = told.map(eventNumbers);
  assert.ok(numbers.every((each) => each.length <= 3));
  assert.deepEqual([...new Set(numbers.flat())], [1, 2, 3, 4, 5, 6, 7, 8]);
  // What is repeated begins with the same event, and may have more that came meanwhile; the same events have the same id.
  assert.equal(numbers[1]![0], numbers[2]![0]);
  assert.equal(new Set(told.map(({ id }) => id)).size, new Set(numbers.map(String)).size);
  assert.ok(new Set(numbers.map(String)).size < told.length);
  assert.ok(
    told.every((one) => statusPart(one, 'events-since-subscription-start') === String(eventNumbers(one).at(-1))),
  );
});

test('a notification that would be too long is told in parts', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  // The first one is held for as long as five writes take.
  await rig.start({ baseUrl, limits: { timeoutMs: 120_000 } });
  await activate(rig, topicSubscription('s', receiver.url, { maxCount: 10 }));
  const held = Promise.withResolvers<number>();
  receiver.answer = () => held.promise;
  const comment = 'x'.repeat(3 * 1024 * 1024);
  await rig.store.put(appointment('a0'));
  for (let i = 1; i <= 4; i++) await rig.store.put(appointment(`a${i}`, 'booked', { comment }));
  await waitFor(
    async () => (await rig.db.query({ text: 'select 1 from delivery where number = 5' })).length === 1,
    'five deliveries',
  );
  held.resolve(200);
  await allDone(rig, 's', 5);
  const told = events(receiver.received);
  assert.deepEqual(told.flat(), [1, 2, 3, 4, 5]);
  assert.ok(told.every((each) => each.length <= 3));
  assert.ok(receiver.received.every(({ body }) => body.length < 8 * 1024 * 1024));
});

test('what the topic adds comes along, once; without it the event is told all the same', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const asked: string[] = [];
  const patient = { resourceType: 'Patient', id: 'p', active: true };
  await rig.store.put(patient);
  const found = (await rig.store.reader.read('Patient', 'p', { kind: 'everything' }))!;
  let fault: unknown;
  const reader = {
    ...rig.store.reader,
    search: async (type: string, query: string) => {
      if (type !== 'Appointment') return { resources: [], included: [] };
      asked.push(`${type}?${query}`);
      if (fault) throw fault;
      return { resources: [], included: [found] };
    },
  };
  await rig.start({ baseUrl, reader });
  await activate(rig, topicSubscription('s', receiver.url));
  await rig.store.put(appointment('a'));
  await allDone(rig, 's', 1);
  const include = ['patient', 'practitioner', 'location'].map((name) => `&_include=Appointment%3A${name}`).join('');
  assert.deepEqual(asked, [`Appointment?_id=a&_count=1&_total=none${include}`]);
  const [told] = ofType(receiver.received, 'event-notification');
  const [event] = (statusPart(told!, 'notification-event') as JsonObject[]).filter(
    ({ name }) => name === 'additional-context',
  );
  assert.deepEqual(event, { name: 'additional-context', valueReference: { reference: `${baseUrl}/Patient/p` } });
  assert.deepEqual((told!.entry as JsonObject[])[2], {
    fullUrl: `${baseUrl}/Patient/p`,
    resource: JSON.parse(found.body),
    request: { method: 'GET', url: 'Patient/p' },
    response: { status: '200', etag: 'W/"1"', lastModified: new Date(found.updatedMs).toISOString() },
  });
  fault = Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
  await rig.store.put(appointment('b'));
  await waitFor(() => asked.length >= 3, 'two attempts');
  fault = undefined;
  await allDone(rig, 's', 2);
  assert.deepEqual(events(receiver.received), [[1], [2]]);
});

test('what the owner may no longer see is not told, and no number is left out', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  let scope: { kind: 'everything' } | { kind: 'nothing' } = { kind: 'nothing' };
  const reader = {
    ...rig.store.reader,
    read: async (type: string, id: string, { kind }: { kind: string }) =>
      kind === 'everything' ? rig.store.reader.read(type, id, { kind }) : undefined,
  };
  await rig.start({ baseUrl, reader, ownerScope: () => scope });
  await activate(rig, topicSubscription('s', receiver.url));
  await rig.store.put(appointment('a'));
  await allDone(rig, 's', 1);
  scope = { kind: 'everything' };
  await rig.store.put(appointment('b'));
  await allDone(rig, 's', 2);
  assert.deepEqual(events(receiver.received), [[1], [2]]);
  assert.doesNotMatch(receiver.received[1]!.body, /Appointment/);
  assert.match(receiver.received[2]!.body, /Appointment\/b/);
});

const due = (rig: Rig, id: string) =>
  rig.db.query({ text: `update subscriber set heartbeat_at = now() - interval '1 second' where id = $1` }, [id]);

test('heartbeats come where there is nothing else, number nothing and survive a restart', async (t) => {
  const rig = await createRig(t);
  const receiver = await startReceiver(t);
  const server = await rig.start({ baseUrl });
  await activate(rig, topicSubscription('s', receiver.url, { heartbeatSeconds: 3_600 }));
  await rig.store.put(appointment('a'));
  await allDone(rig, 's', 1);
  await due(rig, 's');
  const beats = () => ofType(receiver.received, 'heartbeat');
  await waitFor(() => beats().length === 1, 'a heartbeat');
  assert.deepEqual(eventNumbers(beats()[0]!), []);
  assert.equal(statusPart(beats()[0]!, 'events-since-subscription-start'), '1');
  assert.equal(receiver.received.at(-1)!.headers['x-cerebra-event-number'], undefined);
  await server.stop();
  await due(rig, 's');
  receiver.answer = () => 500;
  await rig.start({ baseUrl });
  // It fails, and is sent again soon.
  await waitFor(() => beats().length >= 2, 'a heartbeat of the next server');
  await waitFor(
    async () => (await rig.db.query({ text: 'select 1 from subscriber where error is not null' })).length === 1,
    'its failure',
  );
  receiver.answer = () => 200;
  await rig.store.put(appointment('b'));
  await allDone(rig, 's', 2);
  assert.deepEqual(events(receiver.received), [[1], [2]]);
  const [row] = await rig.db.query<{ later: boolean; state: string; error: string | null }>({
    text: `select heartbeat_at > now() + interval '59 minutes' as later, state, error from subscriber where id = 's'`,
  });
  assert.deepEqual(row, { later: true, state: 'active', error: null });
});
