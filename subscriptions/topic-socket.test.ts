// Notifications of topics over web sockets: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AccessScope, JsonObject, Resource } from '#fhir-model';
import { openSocket, type TestSocket, waitFor } from '#platform/testing';
import type { Subscriptions } from './index.ts';
import { testBaseUrl as baseUrl, type CallOperation, createCalls } from './testing/operation.ts';
import { createRig, type Rig, subscription, waitForState } from './testing/rig.ts';
import { serveSockets } from './testing/socket.ts';
import { type AskedTopic, appointment, eventNumbers, guide, statusPart, topicSubscription } from './testing/topic.ts';

interface Served extends Rig {
  url: string;
  call: CallOperation;
  server: Subscriptions;
}

const webSocketLimits = { pollMs: 20, heartbeatMs: 5_000, stopGraceMs: 200 };

async function serve(
  t: TestContext,
  asked: AskedTopic = {},
  more: (rig: Rig) => Parameters<Rig['start']>[0] = () => ({}),
): Promise<Served> {
  const rig = await createRig(t);
  await rig.db.query({ text: 'truncate websocket_client, websocket_token' });
  const server = await rig.start({ baseUrl, webSocketLimits, ...more(rig) });
  await rig.store.put(topicSubscription('s', '', { type: 'websocket', content: 'id-only', ...asked }));
  await waitForState(rig.db, 's', 'active');
  return { ...rig, server, url: await serveSockets(t, server), call: await createCalls(rig) };
}

interface Named {
  name: string;
  valueString: string;
}

async function tokenOf({ call }: Pick<Served, 'call'>, id = 's'): Promise<string> {
  const answer = await call('get-ws-binding-token', { id });
  return (answer.parameter as unknown as Named[]).find(({ name }) => name === 'token')!.valueString;
}

async function bound(t: TestContext, rig: Served): Promise<TestSocket> {
  const socket = await openSocket(t, rig.url);
  socket.say(`bind-with-token ${await tokenOf(rig)}`);
  await socket.hears(1);
  return socket;
}

const parsed = ({ heard }: TestSocket): Resource[] => heard.map((text) => JSON.parse(text) as Resource);
const types = (socket: TestSocket): unknown[] => parsed(socket).map((one) => statusPart(one, 'type'));
const events = (socket: TestSocket): number[][] =>
  parsed(socket)
    .filter((one) => statusPart(one, 'type') === 'event-notification')
    .map(eventNumbers);

const seen = ({ db }: Rig, number: number) =>
  waitFor(
    async () =>
      (await db.query({ text: `select 1 from websocket_client where subscriber = 's' and seen_number = $1` }, [number]))
        .length === 1,
    `the client's number ${number}`,
  );

test('a token binds: handshake, then notifications in the Subscription’s form', async (t) => {
  const rig = await serve(t);
  const answer = await rig.call('get-ws-binding-token', { id: 's' });
  const names = (answer.parameter as unknown as Named[]).map(({ name }) => name);
  assert.deepEqual(names, ['token', 'expiration', 'subscription', 'websocket-url']);
  const expiration = (answer.parameter as JsonObject[])[1]!.valueDateTime as string;
  assert.ok(Date.parse(expiration) > Date.now() && Date.parse(expiration) < Date.now() + 3_600_000);
  const [token] = answer.parameter as unknown as Named[];
  assert.match(token!.valueString, /^[A-Za-z0-9_-]{43}$/);
  const kept = await rig.db.query<{ row: string }>({ text: 'select w::text as row from websocket_token w' });
  assert.ok(!kept[0]!.row.includes(token!.valueString));
  const socket = await openSocket(t, rig.url);
  socket.say(`bind-with-token: ${token!.valueString}`);
  await socket.hears(1);
  await rig.store.put(appointment('a'));
  await socket.hears(2);
  assert.deepEqual(types(socket), ['handshake', 'event-notification']);
  assert.deepEqual(events(socket), [[1]]);
  assert.equal((parsed(socket)[1]!.entry as JsonObject[])[1]!.fullUrl, `${baseUrl}/Appointment/a`);
  socket.say(`bind-with-token ${token!.valueString}`);
  await socket.hears(3);
  socket.say('unbind s');
  await socket.hears(4);
  assert.equal(socket.heard.pop(), 'unbound s');
  assert.deepEqual(types(socket), ['handshake', 'event-notification', 'handshake']);
});

test('tokens that are none, have expired, are for others; no binding without one', async (t) => {
  const rig = await serve(t);
  await rig.store.put(subscription('r4', '', { channel: { type: 'websocket' } }));
  await waitForState(rig.db, 'r4', 'active');
  const socket = await openSocket(t, rig.url);
  const expired = await tokenOf(rig);
  await rig.db.query({ text: `update websocket_token set expires_at = now() - interval '1 second'` });
  socket.say('bind s');
  for (const token of ['nonsense', expired]) socket.say(`bind-with-token ${token}`);
  socket.say(`bind-with-token ${await tokenOf(rig, 'r4')}`);
  await socket.hears(4);
  const none = 'error The token is none, or has expired: $get-ws-binding-token gives another';
  assert.deepEqual(socket.heard, [
    'error s It is to a topic: it is bound with a token of $get-ws-binding-token',
    ...[none, none, 'bound r4'],
  ]);
  const left = await rig.db.query({ text: 'select 1 from websocket_token where expires_at < now()' });
  assert.equal(left.length, 0);
});

test('a channel that the extension names in place of channel.type', async (t) => {
  const rig = await serve(t);
  const named = (id: string, type: string, valueCoding: JsonObject) => {
    const one = topicSubscription(id, '', { type, content: 'id-only' });
    const _type = { extension: [{ url: `${guide}/backport-channel-type`, valueCoding }] };
    return { ...one, channel: { ...(one.channel as JsonObject), _type } } as Resource & { id: string };
  };
  const system = 'http://terminology.hl7.org/CodeSystem/subscription-channel-type';
  await rig.store.put(named('socket', 'message', { system, code: 'websocket' }));
  await waitForState(rig.db, 'socket', 'active');
  const socket = await openSocket(t, rig.url);
  socket.say(`bind-with-token ${await tokenOf(rig, 'socket')}`);
  await socket.hears(1);
  await rig.store.put(appointment('a'));
  await socket.hears(2);
  assert.deepEqual(events(socket), [[1]]);
  await rig.store.put(named('hook', 'websocket', { system: 'urn:nobody', code: 'websocket' }));
  await assert.rejects(tokenOf(rig, 'hook'), {
    message: "Subscription/hook can't be bound: its channel is not websocket",
  });
});

test('what was missed comes after the reconnect, from the number on that the client has confirmed', async (t) => {
  const rig = await serve(t, { maxCount: 3 });
  for (const id of ['a', 'b']) await rig.store.put(appointment(id));
  const first = await bound(t, rig);
  await waitFor(() => events(first).flat().length === 2, 'what was before the first connection');
  await first.confirms();
  await seen(rig, 2);
  await first.leave();
  for (const id of ['c', 'd', 'e', 'f']) await rig.store.put(appointment(id));
  await waitFor(
    async () =>
      (await rig.db.query({ text: `select 1 from subscriber where id = 's' and done_number = 6` })).length === 1,
    'six events',
  );
  const second = await bound(t, rig);
  await second.hears(3);
  await rig.store.put(appointment('g'));
  await second.hears(4);
  assert.deepEqual(types(second)[0], 'handshake');
  assert.equal(statusPart(parsed(second)[0]!, 'events-since-subscription-start'), '6');
  assert.deepEqual(events(second), [[3, 4, 5], [6], [7]]);
});

test('what is no longer kept is told', async (t) => {
  const rig = await serve(t, { maxCount: 10 });
  for (const id of ['a', 'b', 'c']) await rig.store.put(appointment(id));
  await waitFor(
    async () =>
      (await rig.db.query({ text: `select 1 from subscriber where id = 's' and done_number = 3` })).length === 1,
    'three events',
  );
  await rig.db.query({ text: 'delete from delivery where number <= 2' });
  const socket = await bound(t, rig);
  await socket.hears(2);
  assert.deepEqual(events(socket), [[3]]);
  assert.deepEqual(statusPart(parsed(socket)[1]!, 'error'), { text: 'Events 1 to 2 are no longer kept' });
});

test('what the owner of the Subscription may see no more, an open socket does not show; no number is left out', async (t) => {
  let ownerScope: AccessScope = { kind: 'everything' };
  const rig = await serve(t, { content: 'full-resource' }, ({ store }) => ({
    reader: {
      ...store.reader,
      read: async (type, id, scope) => (scope.kind === 'everything' ? store.reader.read(type, id, scope) : undefined),
    },
    ownerScope: () => ownerScope,
  }));
  const socket = await bound(t, rig);
  await rig.store.put(appointment('a'));
  await socket.hears(2);
  ownerScope = { kind: 'nothing' };
  await rig.store.put(appointment('b'));
  await socket.hears(3);
  ownerScope = { kind: 'everything' };
  await rig.store.put(appointment('c'));
  await socket.hears(4);
  assert.deepEqual(events(socket), [[1], [2], [3]]);
  assert.deepEqual(
    socket.heard.slice(1).map((text) => /"Appointment\/(.)"/.exec(text)?.[1]),
    ['a', undefined, 'c'],
  );
});

test('several servers: whichever tells an event, each client hears it; a restart loses nothing', async (t) => {
  const rig = await serve(t);
  const other = await rig.start({ baseUrl, webSocketLimits });
  const there = { ...rig, url: await serveSockets(t, other) };
  const [here, far] = [await bound(t, rig), await bound(t, there)];
  for (const id of ['a', 'b', 'c']) await rig.store.put(appointment(id));
  await here.hears(4);
  await far.hears(4);
  for (const socket of [here, far]) assert.deepEqual(events(socket).flat(), [1, 2, 3]);
  await rig.server.stop();
  assert.equal(await here.closed, 1001);
  await rig.store.put(appointment('d'));
  await far.hears(5);
  assert.deepEqual(events(far).flat(), [1, 2, 3, 4]);
});

test('heartbeats of the socket; the end of the Subscription', async (t) => {
  const rig = await serve(t, { heartbeatSeconds: 1 });
  const socket = await bound(t, rig);
  await socket.hears(2);
  assert.deepEqual(types(socket).slice(0, 2), ['handshake', 'heartbeat']);
  assert.equal(statusPart(parsed(socket)[1]!, 'events-since-subscription-start'), '0');
  const rest = { status: 'off' };
  await rig.store.put(topicSubscription('s', '', { type: 'websocket', content: 'id-only', rest }));
  await waitFor(() => socket.heard.at(-1) === 'error s It is not active: its status is off', 'the end');
});

test('long notifications reach a slow client, each when the one before has gone', async (t) => {
  const rig = await serve(t, { content: 'full-resource', maxCount: 2 });
  const slow = await bound(t, rig);
  slow.raw.pause();
  const comment = 'x'.repeat(2 * 1024 * 1024);
  for (const id of ['a', 'b', 'c', 'd']) await rig.store.put(appointment(id, 'booked', { comment }));
  await waitFor(
    async () =>
      (await rig.db.query({ text: `select 1 from subscriber where id = 's' and done_number = 4` })).length === 1,
    'four events',
  );
  slow.raw.resume();
  await waitFor(() => events(slow).flat().length === 4, 'all of them');
  assert.deepEqual(events(slow).flat(), [1, 2, 3, 4]);
});
