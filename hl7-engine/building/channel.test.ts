// Messages of Subscriptions: queued once, in order, whatever happens on the way.
import assert from 'node:assert/strict';
import test, { before } from 'node:test';
import type { MessageNotification, Resource, StoredVersion } from '#fhir-model';
import { CerebraError, type Db, systemClock } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import { parseMessage } from '../message/message.ts';
import { mllp, startOutbound } from '../testing/outbound-rig.ts';
import { startReceiver } from '../testing/receiver.ts';
import { createMessageChannel, warmForSubscriptions } from './channel.ts';
import { er7 } from './channel-options.ts';
import { removeOldNotes } from './channel-retention.ts';
import { buildTarget } from './target.ts';

let db: Db;
before(async () => {
  db = await testDatabase();
});

const resources = new Map<string, Resource>();
let reads = 0;
const reader = {
  async read(type: string, id: string): Promise<StoredVersion | undefined> {
    reads++;
    const resource = resources.get(`${type}/${id}`);
    return resource && { type, id, version: 1, updatedMs: 0, body: JSON.stringify(resource), deleted: false };
  },
};

const store = (resource: Resource): Resource => {
  resources.set(`${resource.resourceType}/${resource.id}`, resource);
  return resource;
};

store({
  resourceType: 'Patient',
  id: 'p1',
  identifier: [{ system: 'urn:id:HOSP', value: '77' }],
  name: [{ family: 'DOE' }],
});

const observation = (value: number) => ({
  ...{ resourceType: 'Observation', id: 'o1', status: 'final', code: { text: 'K' }, valueQuantity: { value } },
  subject: { reference: 'Patient/p1' },
});

const notification = (number: bigint, body: object, subscription = 's1'): MessageNotification => ({
  ...{ subscription, number, type: 'Observation', id: 'o1', body: JSON.stringify(body) },
  ...{ endpoint: 'hl7v2:ris', payload: er7, header: ['Message: ORU^R01'] },
});

async function start(t: test.TestContext) {
  await db.query({ text: 'truncate hl7_message_channel, hl7_outbound, hl7_destination' });
  const receiver = await startReceiver(t);
  const { queues, states } = await startOutbound(t, db, mllp(receiver.port));
  const channel = createMessageChannel({
    ...{ db, outbound: queues, reader, clock: systemClock, log: testLog() },
    scope: { kind: 'everything' },
    defaults: buildTarget({}),
    destinations: ['ris'],
  });
  return { receiver, channel, states };
}

test('a delivery that is repeated, also at the same moment, is queued once', async (t) => {
  const { channel, states } = await start(t);
  const first = notification(1n, observation(4));
  await Promise.all([channel.send(first), channel.send(first), channel.send(first)]);
  await channel.send(notification(2n, observation(5)));
  await channel.send(first);
  assert.equal(Object.keys(await states()).length, 2);
  await channel.send(notification(1n, observation(4), 's2'));
  assert.equal(Object.keys(await states()).length, 3, 'another subscription counts by itself');
});

test('what cannot be committed is not noted either: the next attempt sends it', async (t) => {
  const { channel, receiver } = await start(t);
  await db.query({ text: 'alter table hl7_outbound rename to hl7_outbound_away' });
  await assert.rejects(channel.send(notification(1n, observation(4))));
  await db.query({ text: 'alter table hl7_outbound_away rename to hl7_outbound' });
  await channel.send(notification(1n, observation(4)));
  const rows = await db.query<{ body: Buffer }>({ text: 'select body from hl7_outbound' });
  assert.deepEqual(
    rows.map(({ body }) => parseMessage(body).get('OBX-5')),
    ['4'],
  );
  assert.equal(receiver.sockets.size <= 1, true);
});

test('a resource that leads nowhere, and one that leads everywhere, are refused for good', async (t) => {
  const { channel } = await start(t);
  const nobody = { ...observation(4), subject: { reference: 'Patient/unknown' } };
  const refusal = (body: object) =>
    channel.send(notification(1n, body)).then(
      () => 'sent',
      (error: unknown) => (error instanceof CerebraError ? error.code : String(error)),
    );
  assert.equal(await refusal(nobody), 'business-rule');
  const many = Array.from({ length: 2_001 }, (_, n) => ({ reference: `Observation/m${n}` }));
  reads = 0;
  assert.equal(await refusal({ ...observation(4), hasMember: many }), 'too-costly');
  assert.equal(reads, 0, 'nothing is read of what no message holds');
});

test('an order that was taken back as a draft is not cancelled, and is new when it is wanted after all', async (t) => {
  const { channel } = await start(t);
  const order = (number: bigint, status: string): Promise<string | undefined> => {
    const body = {
      ...{ resourceType: 'ServiceRequest', id: 'r1', status, intent: 'order', code: { text: 'K' } },
      subject: { reference: 'Patient/p1' },
    };
    const told = { ...notification(number, body), type: 'ServiceRequest', id: 'r1', header: ['Message: OML^O21'] };
    return channel.send(told).then(
      () => undefined,
      (error: unknown) => (error instanceof CerebraError ? error.code : String(error)),
    );
  };
  const outcomes: unknown[] = [];
  for (const [number, status] of [
    [1n, 'draft'],
    [1n, 'draft'],
    [2n, 'revoked'],
    [3n, 'active'],
    [4n, 'revoked'],
  ] as const)
    outcomes.push(await order(number, status));
  assert.deepEqual(outcomes, ['business-rule', 'business-rule', 'business-rule', undefined, undefined]);
  const rows = await db.query<{ body: Buffer }>({ text: 'select body from hl7_outbound order by id' });
  assert.deepEqual(
    rows.map(({ body }) => parseMessage(body).get('ORC-1')),
    ['NW', 'CA'],
  );
});

test('resources that refer to each other in a ring come to an end', async (t) => {
  const { channel } = await start(t);
  store({ ...observation(1), id: 'o2', hasMember: [{ reference: 'Observation/o1' }] });
  const ring = { ...observation(2), hasMember: [{ reference: 'Observation/o2' }, { reference: 'Observation/o1' }] };
  store(ring);
  await channel.send(notification(1n, ring));
  const [row] = await db.query<{ body: Buffer }>({ text: 'select body from hl7_outbound' });
  const values = parseMessage(row!.body).all('OBX');
  assert.deepEqual(
    values.map((obx) => obx.field(5).text),
    ['2', '1'],
  );
});

test('what was told is forgotten with the Subscription and by age, but not what may be delivered again', async () => {
  const day = 24 * 3_600_000;
  const nowMs = Date.UTC(2026, 5, 1);
  await db.query({ text: 'truncate hl7_message_channel' });
  await db.query({
    text: `insert into subscriber (id, channel, state, version, last_number, done_number) values
      ('active', 'message', 'active', 1, 9, 5), ('off', 'message', 'off', 1, 9, 5), ('gone', 'message', 'deleted', 1, 9, 5)`,
  });
  for (const [subscription, resource, number, days] of [
    ['active', 'Appointment/old', 5, 366],
    ['active', 'Appointment/again', 6, 366],
    ['active', 'Appointment/young', 5, 364],
    ['off', 'Appointment/old', 5, 31],
    ['off', 'Appointment/young', 5, 29],
    ['gone', 'Appointment/old', 6, 2],
    ['gone', 'Appointment/young', 6, 0],
    ['unknown', 'Appointment/old', 1, 2],
  ] as const) {
    await db.query({ text: 'insert into hl7_message_channel values ($1, $2, $3, null, $4)' }, [
      ...[subscription, resource, number],
      new Date(nowMs - days * day),
    ]);
  }
  assert.equal(await removeOldNotes(db, 365, nowMs), 4);
  const left = await db.query<{ name: string }>({
    text: `select subscription || ' ' || resource as name from hl7_message_channel order by 1`,
  });
  assert.deepEqual(
    left.map(({ name }) => name),
    ['active Appointment/again', 'active Appointment/young', 'gone Appointment/young', 'off Appointment/young'],
  );
  assert.equal(await removeOldNotes(db, 7, nowMs), 2, 'a shorter time holds for all');
});

test('the dictionary is loaded at start only where a Subscription sends messages', async () => {
  const isWarmedWith = async (channel: string, state: string): Promise<boolean> => {
    await db.query({ text: 'truncate subscriber' });
    await db.query({ text: "insert into subscriber (id, channel, state, version) values ('s', $1, $2, 1)" }, [
      ...[channel, state],
    ]);
    return warmForSubscriptions({ db, log: testLog() });
  };
  assert.equal(await isWarmedWith('message', 'active'), true);
  assert.equal(await isWarmedWith('message', 'off'), false);
  assert.equal(await isWarmedWith('rest-hook', 'active'), false);
});
