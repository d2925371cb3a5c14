// Messages of Subscriptions: queued once, in order, whatever happens on the way.
import assert from 'node:assert/strict';
import test, { before } from 'node:test';
import type { MessageNotification, Resource, StoredVersion } from '#fhir-model';
import { CerebraError, type Db, systemClock } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import { parseMessage } from '../message/message.ts';
import { mllp, startOutbound } from '../testing/outbound-rig.ts';
import { startReceiver } from '../testing/receiver.ts';
import { createMessageChannel } from './channel.ts';
import { er7 } from './channel-options.ts';
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
