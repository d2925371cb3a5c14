// A destination that was taken out of the configuration while a route still sends to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '#platform/testing';
import { checkDestinations } from '../outbound/destination.ts';
import { build, msa, oru, rows } from '../testing/engine-rig.ts';
import { createMemoryWriter } from '../testing/memory-writer.ts';
import { by, caller, route } from './testing.ts';

test('a route whose destination is gone says so everywhere, and can be disabled', async (t) => {
  const db = await testDatabase(t);
  const writer = createMemoryWriter(db);
  const former = build(db, writer, {
    destinations: checkDestinations([{ name: 'web', kind: 'http', url: 'http://127.0.0.1:9/' }]),
  });
  await former.start();
  const destinations = [{ kind: 'fhir' }, { kind: 'queue', name: 'web' }];
  const body = { route: route('out', { destinations }), ...by };
  assert.equal((await caller(former.adminRoutes, '/admin/hl7')('PUT', '/routes/out', { body })).status, 201);
  await former.stop();

  const engine = build(db, writer);
  await engine.start();
  t.after(() => engine.stop());
  const call = caller(engine.adminRoutes, '/admin/hl7');
  const lacking = 'destinations[1].name: no such destination; HL7_DESTINATIONS has none: add it there first';
  const [shown] = (await call('GET', '/routes')).body.routes as { problem: string }[];
  assert.equal(shown!.problem, `its messages are refused: ${lacking}`);
  const tried = await call('POST', '/routes/dry-run', { body: { id: 'out', message: oru().toString() } });
  const refusal = { step: 'destinations', acknowledgment: 'AE', condition: '207', text: lacking, more: [] };
  assert.deepEqual(tried.body.refusal, refusal);
  const ack = await engine.process(oru());
  assert.equal(msa(ack), 'MSA|AE|M1');
  const text = "There is no destination named 'web' for HL7 messages; HL7_DESTINATIONS lists them";
  assert.equal((await rows(db))[0]!.error, text);
  assert.equal(writer.resources.size, 0);

  assert.equal((await call('POST', '/routes/out/disable', { body: by })).status, 200);
  assert.equal((await call('POST', '/routes/out/enable', { body: by })).status, 400);
  assert.equal(msa(await engine.process(oru())), 'MSA|AA|M1');
});

test('after a restart nothing is wrong with a route whose destination is still there', async (t) => {
  const db = await testDatabase(t);
  const writer = createMemoryWriter(db);
  const destinations = checkDestinations([{ name: 'web', kind: 'http', url: 'http://127.0.0.1:9/' }]);
  const former = build(db, writer, { destinations });
  await former.start();
  const body = { route: route('out', { destinations: [{ kind: 'queue', name: 'web' }] }), ...by };
  assert.equal((await caller(former.adminRoutes, '/admin/hl7')('PUT', '/routes/out', { body })).status, 201);
  await former.stop();

  const engine = build(db, writer, { destinations });
  await engine.start();
  t.after(() => engine.stop());
  const { routes } = (await caller(engine.adminRoutes, '/admin/hl7')('GET', '/routes')).body as {
    routes: { id: string; problem?: string }[];
  };
  assert.deepEqual(
    routes.map(({ id, problem }) => [id, problem]),
    [
      ['out', undefined],
      ['default', undefined],
    ],
  );
});
