// Routes that would get what they send.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { ResourceReader } from '#fhir-model';
import { createMetrics, systemClock } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import { createHl7Engine } from './index.ts';
import { loadDictionary } from './message/dictionary.ts';
import { checkDestinations } from './outbound/destination.ts';
import { ownWay, type WayIn } from './own-ways.ts';
import { by, caller, route } from './routes/testing.ts';
import { build } from './testing/engine-rig.ts';
import { createMemoryWriter } from './testing/memory-writer.ts';
import { readListeners } from './transport/config.ts';

const wayTo = (destination: object, way: Partial<WayIn>): boolean => {
  const [checked] = checkDestinations([{ name: 'out', ...destination }]);
  const all = { name: 'in', pattern: '*.hl7', ...way } as WayIn;
  return ownWay(checked!, [all]) !== undefined;
};
const mllpTo = (called: string, host: string, port = 2575): boolean =>
  wayTo({ kind: 'mllp', host: called, port: 2575 }, { kind: 'mllp', host, port });

test('a listener is known by its address and port', () => {
  assert.equal(mllpTo('LOCALHOST', '127.0.0.1'), true);
  assert.equal(mllpTo('127.0.0.1', '0.0.0.0'), true);
  assert.equal(mllpTo(os.hostname(), '::'), true);
  assert.equal(mllpTo('127.0.0.1', '127.0.0.1', 2576), false);
  assert.equal(mllpTo('192.0.2.7', '0.0.0.0'), false, 'another machine');
  assert.equal(mllpTo('192.0.2.7', '127.0.0.1'), false);
  assert.equal(mllpTo('127.0.0.1', '192.0.2.7'), false, 'another program listens on the loopback address');
  assert.equal(wayTo({ kind: 'http', url: 'http://127.0.0.1:2575/' }, { kind: 'mllp', host: '::', port: 2575 }), false);
});

test('a drop folder is known by its path, where the names of what is written there are those it reads', () => {
  const into = (folder: string, more = {}) =>
    wayTo({ kind: 'file', folder, ...more }, { kind: 'file', folder: '/srv/in' });
  assert.equal(into('/srv/out/../in/'), true);
  assert.equal(into('/srv/in', { fileName: '{id}.out' }), false);
  assert.equal(into('/srv/in/done'), false);
});

test('a route that would get all it sends is refused; with a condition it is taken, and one in force says so', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-round-'));
  const db = await testDatabase(t);
  const writer = createMemoryWriter(db);
  const elsewhere = mkdtempSync(path.join(os.tmpdir(), 'cerebra-round-'));
  t.after(() => rmSync(elsewhere, { recursive: true, force: true }));
  const at = (where: string) => ({
    listeners: readListeners(JSON.stringify([{ kind: 'file', name: 'night', folder }])),
    destinations: checkDestinations([{ name: 'out', kind: 'file', folder: where }]),
  });
  const round = (more: object = {}) => route('round', { destinations: [{ kind: 'queue', name: 'out' }], ...more });
  const former = build(db, writer, at(elsewhere));
  await former.start();
  const put = { body: { route: round(), ...by } };
  assert.equal((await caller(former.adminRoutes, '/admin/hl7')('PUT', '/routes/round', put)).status, 201);
  await former.stop();

  const engine = build(db, writer, at(folder));
  await engine.start();
  t.after(async () => {
    await engine.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const problem =
    "destinations[0].name: it leads to the drop folder 'night' of this server, from which the route takes its messages: they would " +
    'go round and round. Send elsewhere, or give the route a source or a match that leaves them out';
  const [shown] = (await call('GET', '/routes')).body.routes as { problem: string }[];
  assert.equal(shown!.problem, problem);
  const refused = await call('PUT', '/routes/again', { body: { route: { ...round(), id: 'again' }, ...by } });
  assert.deepEqual(
    [refused.status, (refused.body.error as { message: string }).message],
    [400, `Not a route: ${problem}`],
  );
  const match = { path: 'MSH-3', equals: 'LAB' };
  for (const more of [{ source: { kinds: ['mllp'] } }, { match }, { filter: [{ when: match, reason: 'no' }] }]) {
    const id = Object.keys(more)[0]!;
    const taken = await call('PUT', `/routes/${id}`, { body: { route: { ...round(more), id }, ...by } });
    assert.equal(taken.status, 201, JSON.stringify(taken.body));
  }
});

test('a Subscription does not send to where its messages would be stored, and so cause the next', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-round-'));
  const db = await testDatabase(t);
  const engine = createHl7Engine({
    ...{ db, writer: createMemoryWriter(db), scope: { kind: 'everything' }, log: testLog(), clock: systemClock },
    ...{ metrics: createMetrics(), reader: { read: async () => undefined } as unknown as ResourceReader },
    config: {
      port: 0,
      listeners: readListeners(JSON.stringify([{ kind: 'file', name: 'night', folder }])),
      destinations: checkDestinations([{ name: 'out', kind: 'file', folder }]),
    },
  });
  await engine.start();
  t.after(async () => {
    await engine.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const payload = 'x-application/hl7-v2+er7';
  const asked = { endpoint: 'hl7v2:out', payload, header: [], type: 'Patient' };
  const refusal = () => engine.messageChannel!.refuse(asked);
  const text =
    "Subscription.channel.endpoint hl7v2:out leads to the drop folder 'night' of this server, which stores what comes: " +
    'each message would cause the next';
  assert.equal(refusal(), text);
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const archive = route('archive', {
    match: { path: 'MSH-3', equals: 'CEREBRA' },
    destinations: [{ kind: 'queue', name: 'out' }],
  });
  assert.equal((await call('PUT', '/routes/archive', { body: { route: archive, ...by } })).status, 201);
  assert.equal(refusal(), undefined, 'a condition may keep them from the store');
  // Who is not refused has it loaded.
  await loadDictionary();
});
