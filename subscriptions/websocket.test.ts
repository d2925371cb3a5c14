// The websocket channel: https://hl7.org/fhir/R4/subscription.html#websocket
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { openSocket, waitFor } from '#platform/testing';
import type { SubscriptionsOptions } from './index.ts';
import { createRig, observation, type Rig, type Server, subscription, waitForState } from './testing/rig.ts';
import { serveSockets } from './testing/socket.ts';

const channel = { channel: { type: 'websocket' } };

interface Listening extends Rig {
  server: Server;
  url: string;
}

async function listen(t: TestContext, limits: SubscriptionsOptions['webSocketLimits'] = {}): Promise<Listening> {
  const rig = await createRig(t);
  const server = await rig.start({ webSocketLimits: { pollMs: 20, ...limits } });
  return { ...rig, server, url: await serveSockets(t, server) };
}

async function request({ store, db }: Rig, id: string, rest: Record<string, unknown> = {}): Promise<void> {
  await store.put(subscription(id, '', { ...channel, ...rest }));
  await waitForState(db, id, 'active');
}

const done = ({ db }: Rig, id: string, number: number) =>
  waitFor(
    async () =>
      (await db.query({ text: 'select 1 from subscriber where id = $1 and done_number >= $2' }, [id, number])).length,
    `event ${number} of ${id}`,
  );

const seen = ({ db }: Rig, id: string, number: number) =>
  waitFor(
    async () =>
      (
        await db.query({ text: 'select 1 from websocket_client where subscriber = $1 and seen_number = $2' }, [
          id,
          number,
        ])
      ).length,
    `${id} to have seen ${number}`,
  );

test('a client that binds is pinged for each event, and for those of its own Subscriptions only', async (t) => {
  const rig = await listen(t);
  await request(rig, 's');
  await request(rig, 'other', { criteria: 'Observation?code=http://x|b' });
  await request(rig, 'both', { criteria: 'Observation' });
  const one = await openSocket(t, rig.url);
  const two = await openSocket(t, rig.url);
  one.say('bind s');
  assert.deepEqual(await one.hears(1), ['bound s']);
  two.say('bind Subscription/other');
  two.say('bind both');
  two.say('bind both');
  assert.deepEqual(await two.hears(3), ['bound other', 'bound both', 'bound both']);
  await rig.store.put(observation('o1'));
  await done(rig, 's', 1);
  await rig.store.put(observation('o2', 'b'));
  await done(rig, 'other', 1);
  await rig.store.put(observation('o1'));
  assert.deepEqual(await one.hears(3), ['bound s', 'ping s', 'ping s']);
  await two.hears(7);
  assert.deepEqual(two.heard.slice(3).toSorted(), ['ping both', 'ping both', 'ping both', 'ping other']);
  one.say('unbind s');
  assert.equal((await one.hears(4))[3], 'unbound s');
  await rig.store.put(observation('o3'));
  await done(rig, 'both', 4);
  one.say('unbind s');
  assert.equal((await one.hears(5))[4], 'error s It was not bound');
});

test('what can not be bound is told, and the connection stays', async (t) => {
  const rig = await listen(t, { bindingsMax: 1 });
  await rig.store.put(subscription('hook', 'http://127.0.0.1:9/'));
  await waitForState(rig.db, 'hook', 'active');
  await request(rig, 's');
  await request(rig, 't');
  const client = await openSocket(t, rig.url);
  const form =
    "error Commands are 'bind' or 'unbind', a space and the id of a Subscription, or 'bind-with-token' and a token";
  const cases: [string, string][] = [
    ['bind unknown', 'error unknown There is no such Subscription, or it is not yours'],
    ['bind hook', 'error hook Its channel is not websocket'],
    ['bind', form],
    ['bind a b', form],
    ["bind '; drop table subscriber", form],
    ['hello', form],
    ['', form],
    ['bind s', 'bound s'],
    ['bind t', 'error t A connection may bind 1 Subscriptions'],
  ];
  for (const [command] of cases) client.say(command);
  assert.deepEqual(
    await client.hears(cases.length),
    cases.map(([, answer]) => answer),
  );
});

test('one that is requested but not checked yet can be bound; one that is turned off is unbound with a word', async (t) => {
  const rig = await listen(t);
  const client = await openSocket(t, rig.url);
  await rig.store.put(subscription('s', '', channel));
  client.say('bind s');
  assert.deepEqual(await client.hears(1), ['bound s']);
  await waitForState(rig.db, 's', 'active');
  await rig.store.put(observation('o1'));
  assert.equal((await client.hears(2))[1], 'ping s');
  await rig.store.put(subscription('s', '', { ...channel, status: 'off' }));
  assert.equal((await client.hears(3))[2], 'error s It is not active: its status is off');
  client.say('bind s');
  assert.equal((await client.hears(4))[3], 'error s It is not active: its status is off');
  await rig.store.remove('Subscription', 's');
  client.say('bind s');
  assert.equal((await client.hears(5))[4], 'error s There is no such Subscription, or it is not yours');
});

test('whoever binds one that is off is told so once, though it is looked for meanwhile what has ended', async (t) => {
  const rig = await createRig(t);
  const { store } = rig;
  const release = Promise.withResolvers<void>();
  let reads: number | undefined;
  const read: typeof store.reader.read = async (type, id, scope) => {
    // The first is the command's, what follows is looked for.
    if (type === 'Subscription' && reads !== undefined && reads++ === 0) await release.promise;
    return store.reader.read(type, id, scope);
  };
  const server = await rig.start({ webSocketLimits: { pollMs: 5 }, reader: { ...store.reader, read } });
  await request(rig, 's');
  await store.put(subscription('s', '', { ...channel, status: 'off' }));
  await waitForState(rig.db, 's', 'off');
  const client = await openSocket(t, await serveSockets(t, server));
  reads = 0;
  client.say('bind s');
  await waitFor(() => reads! >= 3, 'it to be looked for');
  release.resolve();
  await client.hears(1);
  client.say('unbind s');
  const off = 'error s It is not active: its status is off';
  assert.deepEqual(await client.hears(2), [off, 'error s It was not bound']);
});

test('who was away is pinged once when it binds again, and only if there was something', async (t) => {
  const rig = await listen(t);
  await request(rig, 's');
  const first = await openSocket(t, rig.url);
  first.say('bind s');
  await first.hears(1);
  await rig.store.put(observation('o1'));
  await first.hears(2);
  await rig.store.put(observation('o2'));
  await first.hears(3);
  await first.confirms();
  await first.leave();
  await seen(rig, 's', 2);

  const second = await openSocket(t, rig.url);
  second.say('bind s');
  await second.hears(1);
  await rig.store.put(observation('o3'));
  assert.deepEqual(await second.hears(2), ['bound s', 'ping s']);
  await second.confirms();
  second.raw.terminate();
  await second.closed;
  await rig.store.put(observation('o4'));
  await rig.store.put(observation('o5'));
  await done(rig, 's', 5);

  const third = await openSocket(t, rig.url);
  third.say('bind s');
  assert.deepEqual(await third.hears(2), ['bound s', 'ping s']);
});

test('several servers: a client is pinged for what another one has told', async (t) => {
  const rig = await listen(t);
  await request(rig, 's');
  const client = await openSocket(t, rig.url);
  client.say('bind s');
  await client.hears(1);
  await rig.server.stop();
  const closed = await client.closed;
  assert.equal(closed, 1001);
  // The first one takes no more sockets; of two others one dispatches and delivers, the other has the client.
  const two = await rig.start({ webSocketLimits: { pollMs: 20 } });
  await waitForState(rig.db, 's', 'active');
  const three = await rig.start({ webSocketLimits: { pollMs: 20 }, limits: { pollMs: 60_000, deliverers: 0 } });
  const listener = await openSocket(t, await serveSockets(t, three));
  listener.say('bind s');
  await listener.hears(1);
  await rig.store.put(observation('o1'));
  two.wake();
  assert.deepEqual(await listener.hears(2), ['bound s', 'ping s']);
});

test('a client that does not read is cut, and nobody waits for it', async (t) => {
  const rig = await listen(t, { unreadBytesMax: 400 });
  await request(rig, 's');
  let written = '';
  // The first write ends only when the test does: all that follows stays in the buffer.
  const deaf = new Duplex({
    read() {},
    write(chunk, _encoding, callback) {
      written += String(chunk);
      if (written.length < 1_000) callback();
    },
  });
  const headers = {
    ...{ connection: 'Upgrade', upgrade: 'websocket' },
    ...{ 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-version': '13' },
  };
  rig.server.webSockets.upgrade({ method: 'GET', url: '/', headers }, deaf, Buffer.alloc(0));
  // A masked text frame `bind s`, masked with zeros: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
  deaf.push(Buffer.concat([Buffer.from([0x81, 0x86, 0, 0, 0, 0]), Buffer.from('bind s')]));
  await waitFor(() => written.includes('bound s'), 'the answer');
  const reader = await openSocket(t, rig.url);
  reader.say('bind s');
  await reader.hears(1);
  let sent = 0;
  while (!deaf.destroyed && sent < 1_000) {
    await rig.store.put(observation(`o${++sent}`));
    await done(rig, 's', sent);
  }
  assert.ok(deaf.destroyed, 'it was cut');
  assert.equal((await reader.hears(1 + sent)).length, 1 + sent);
});

test('a client that answers no ping frame is cut; one that binds nothing is closed', async (t) => {
  // So long that one that answers and binds at once is in time, though machine and database stand still for a second.
  const rig = await listen(t, { heartbeatMs: 1_500, idleMs: 2_000 });
  await request(rig, 's');
  const silent = await openSocket(t, rig.url, { autoPong: false });
  silent.say('bind s');
  const alive = await openSocket(t, rig.url);
  alive.say('bind s');
  const idle = await openSocket(t, rig.url);
  assert.equal(await silent.closed, 1006);
  assert.equal(await idle.closed, 1008);
  await rig.store.put(observation('o1'));
  assert.deepEqual(await alive.hears(2), ['bound s', 'ping s']);
});

test('limits: connections, size and number of commands, only text', async (t) => {
  const rig = await listen(t, { connectionsMax: 1, commandBytesMax: 100, commandsMax: 3 });
  const first = await openSocket(t, rig.url);
  await assert.rejects(openSocket(t, rig.url), /Unexpected server response: 503/);
  first.say('x'.repeat(101));
  assert.equal(await first.closed, 1009);
  const place = () => waitFor(() => openSocket(t, rig.url).catch(() => false as const), 'a free place');
  const second = await place();
  second.say(Buffer.from('bind s'));
  assert.equal(await second.closed, 1003);
  const third = await place();
  for (let i = 0; i < 50; i++) third.say('bind unknown');
  assert.equal(await third.closed, 1008);
});
