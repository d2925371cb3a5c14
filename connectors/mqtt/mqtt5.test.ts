import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generate, type Packet, parser } from 'mqtt-packet';
import { createFrameGuard, protocolLevelOf } from './frames.ts';
import { createTranslator, ProtocolError } from './mqtt5.ts';
import { deviceKeyOf, isReadingsTopic } from './topic.ts';

const limits = { packetBytesMax: 1_000_000, inFlightMax: 100 };
const five = (packet: Packet) => generate(packet, { protocolVersion: 5 });

function parsed(bytes: Buffer, protocolVersion: 4 | 5): Record<string, unknown>[] {
  const packets: Record<string, unknown>[] = [];
  const input = parser({ protocolVersion });
  input.on('packet', (packet) => packets.push({ ...packet }));
  input.on('error', (error) => assert.fail(error));
  input.parse(bytes);
  return packets;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

const connect: Packet = {
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 5,
  clientId: 'c',
  clean: false,
  keepalive: 10,
  properties: { sessionExpiryInterval: 60 },
};

test('packets of a version 5 client arrive whole however the bytes are cut', () => {
  const bytes = Buffer.concat([
    five(connect),
    five({
      cmd: 'publish',
      topic: 'a/b',
      payload: 'x',
      qos: 1,
      messageId: 7,
      dup: true,
      retain: false,
      properties: { messageExpiryInterval: 5 },
    }),
    five({ cmd: 'subscribe', messageId: 8, subscriptions: [{ topic: 'a/#', qos: 1, nl: true, rap: true, rh: 1 }] }),
    five({ cmd: 'pingreq' }),
    five({ cmd: 'disconnect', reasonCode: 0 }),
  ]);
  const random = seeded(5);
  for (let round = 0; round < 50; round++) {
    const translator = createTranslator(limits);
    const out: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const next = at + 1 + Math.floor(random() * 9);
      out.push(translator.toBroker(bytes.subarray(at, next)));
      at = next;
    }
    const packets = parsed(Buffer.concat(out), 4);
    assert.deepEqual(
      packets.map(({ cmd }) => cmd),
      ['connect', 'publish', 'subscribe', 'pingreq', 'disconnect'],
    );
    assert.deepEqual([packets[0]!.protocolVersion, packets[0]!.clean, packets[0]!.clientId], [4, false, 'c']);
    assert.deepEqual([packets[1]!.topic, packets[1]!.messageId, packets[1]!.dup], ['a/b', 7, true]);
    assert.deepEqual(packets[2]!.subscriptions, [{ topic: 'a/#', qos: 1 }]);
  }
});

const refusals: [name: string, packet: Packet, answer: string][] = [
  ['enhanced authentication', { ...connect, properties: { authenticationMethod: 'x' } }, '20 connack 8c'],
  [
    'a topic alias',
    { cmd: 'publish', topic: '', payload: '', qos: 0, dup: false, retain: false, properties: { topicAlias: 1 } },
    'e0 94',
  ],
  ['AUTH', { cmd: 'auth', reasonCode: 24 }, 'e0 82'],
];

for (const [name, packet, answer] of refusals) {
  test(`${name} ends the connection with its reason`, () => {
    const translator = createTranslator(limits);
    if (packet.cmd !== 'connect') translator.toBroker(five(connect));
    assert.throws(
      () => translator.toBroker(five(packet)),
      (error) => {
        assert.ok(error instanceof ProtocolError);
        const parts = answer.split(' ');
        assert.equal(error.answer[0], Number.parseInt(parts[0]!, 16));
        assert.ok(error.answer.includes(Number.parseInt(parts.at(-1)!, 16)));
        return true;
      },
    );
  });
}

test('random bytes throw or wait, and never take the process down', () => {
  const random = seeded(99);
  for (let round = 0; round < 2_000; round++) {
    const bytes = Buffer.from(Array.from({ length: 40 }, () => Math.floor(random() * 256)));
    const translator = createTranslator(limits);
    translator.toBroker(five(connect));
    try {
      translator.toBroker(bytes);
    } catch (error) {
      assert.ok(error instanceof Error);
    }
  }
});

test('UNSUBACK names as many topics as were unsubscribed', () => {
  const translator = createTranslator(limits);
  translator.toBroker(five(connect));
  translator.toBroker(five({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['a', 'b', 'c'] }));
  const [unsuback] = parsed(translator.toClient(generate({ cmd: 'unsuback', messageId: 3, granted: [] })), 5);
  assert.deepEqual(unsuback!.granted, [0, 0, 0]);
});

test('the guard finds a packet that is too large wherever its header lies', () => {
  const small = Buffer.concat([Buffer.from([0x30, 0x80, 0x01]), Buffer.alloc(128, 0xff)]);
  const large = Buffer.from([0x30, 0x81, 0x80, 0x01]);
  for (let cut = 0; cut < small.length + 3; cut++) {
    const guard = createFrameGuard(200);
    const bytes = Buffer.concat([small, Buffer.from([0xc0, 0x00]), large]);
    const first = guard.passes(bytes.subarray(0, cut));
    assert.equal(first && guard.passes(bytes.subarray(cut)), false);
    assert.equal(createFrameGuard(20_000).passes(bytes), true);
  }
  assert.equal(createFrameGuard(20_000).passes(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])), false);
});

test('the protocol level of a CONNECT is read as soon as it is there', () => {
  const bytes = five(connect);
  assert.equal(protocolLevelOf(bytes), 5);
  assert.equal(protocolLevelOf(generate({ ...connect, protocolVersion: 4, properties: {} } as Packet)), 4);
  for (let length = 0; length <= 8; length++) assert.equal(protocolLevelOf(bytes.subarray(0, length)), undefined);
  assert.equal(protocolLevelOf(Buffer.from('GET / HTTP/1.1')), 0);
  assert.equal(protocolLevelOf(Buffer.from([0x10, 0x05, 0xff, 0xff, 0x00])), 0);
});

const topics: [topic: string, key: unknown][] = [
  ['devices/a/readings', { id: 'a' }],
  ['devices/a%2Fb%2B%23/readings', { id: 'a/b+#' }],
  ['devices/http:%2F%2Fx%7C1/readings', { system: 'http://x', value: '1' }],
  ['devices/|1/readings', { system: '', value: '1' }],
  ['devices/s|/readings', undefined],
  ['devices//readings', undefined],
  ['devices/%/readings', undefined],
  ['devices/%C0%80/readings', undefined],
  ['devices/a%0A/readings', undefined],
  ['devices/\ufffd/readings', undefined],
  [`devices/${'x'.repeat(513)}/readings`, undefined],
];

for (const [topic, key] of topics) {
  test(`the device of ${topic.slice(0, 60)}`, () => {
    assert.ok(isReadingsTopic(topic));
    assert.deepEqual(deviceKeyOf(topic), key);
  });
}

test('topics beside the pattern are not readings', () => {
  for (const topic of ['devices/a/b/readings', 'devices/a/readings/x', 'xdevices/a/readings', 'devices/readings', '']) {
    assert.equal(isReadingsTopic(topic), false);
  }
});
