// What operators see of the ways in.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { createMetrics, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { listening } from '../testing/mllp.ts';
import { readListeners } from './config.ts';
import { createListeners } from './listeners.ts';

interface Shown {
  name: string;
  state?: string;
  fault?: string;
}

async function rig(t: TestContext) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-ways-'));
  const configured = [
    { name: 'lab', port: 0, allow: ['127.0.0.0/8'] },
    { kind: 'http', name: 'portal' },
    { kind: 'file', name: 'night', folder: path.join(folder, 'in'), pollMs: 50 },
  ];
  const metrics = createMetrics();
  const listeners = createListeners({
    ...{ host: '127.0.0.1', port: 0, limits: { ...listening, tlsCheckMs: 60_000 } },
    listeners: readListeners(JSON.stringify(configured)),
    ...{ log: testLog(), metrics, clock: systemClock },
    handle: async () => {},
    refuse: async () => Buffer.from('AR'),
  });
  t.after(async () => {
    await listeners.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const [route] = listeners.adminRoutes;
  const shown = async (): Promise<Shown[]> => {
    const { body } = await route!.handle({ params: {}, query: new URLSearchParams(), body: Buffer.alloc(0) });
    return (body as { listeners: Shown[] }).listeners;
  };
  const measured = async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values;
  return { folder, listeners, shown, measured, schema: route!.response!.schema };
}

test('what is shown of each way in is documented', async (t) => {
  const { listeners, shown, schema } = await rig(t);
  await listeners.start();
  const ways = await shown();
  assert.deepEqual(ways.map(({ name }) => name).sort(), ['default', 'default', 'lab', 'night', 'portal']);
  // biome-ignore lint/suspicious/noExplicitAny: a JSON schema, of which the path is known
  const documented = Object.keys((schema as any).properties.listeners.items.properties);
  assert.deepEqual(
    ways.flatMap((way) => Object.keys(way)).filter((key) => !documented.includes(key)),
    [],
  );
});

test('a drop folder that cannot be read is measured', async (t) => {
  const { folder, listeners, shown, measured } = await rig(t);
  await writeFile(path.join(folder, 'in'), 'a file in the way');
  await listeners.start();
  await waitFor(async () => (await shown()).some(({ state }) => state === 'failing'), 'the fault');
  assert.deepEqual(
    (await measured('cerebra_hl7_folder_failing')).map(({ value, labels }) => [labels.listener, value]),
    [['night', 1]],
  );
  assert.deepEqual(
    (await measured('cerebra_hl7_files_waiting')).map(({ value }) => value),
    [0],
  );
});
