// `cerebra load` into the embedded database of a server that runs: found by search, and told to a Subscription.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createClient } from '../client.ts';
import { startReceiver } from './receiver.ts';
import { checkNotified, setScene } from './scene.ts';
import { dataFolder, runProgram, signal, startProcess } from './server-process.ts';
import { createBody } from './workload.ts';

test('load beside a server', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const receiver = await startReceiver(t);
  const server = await startProcess(t, { DATA_DIR: dataDir, LOG_LEVEL: 'warn' });
  await setScene(server, receiver);
  const ids = Array.from({ length: 300 }, (_, i) => `loaded-${i}`);
  const folder = path.join(dataDir, '..', 'input');
  await mkdir(folder);
  const lines = ids.map((id, i) => JSON.stringify({ ...createBody(i), id }));
  await writeFile(path.join(folder, 'Observation.ndjson'), lines.join('\n'));
  const cli = path.join(import.meta.dirname, '../../bin/cerebra.ts');
  const program = runProgram(t, [process.execPath, cli, 'load', folder], { DATA_DIR: dataDir });
  assert.deepEqual(await program.ended, { code: 0, signal: null }, program.output());
  assert.match(program.output(), /^Observation +300 +0 +0$/m);
  const found = await createClient(server.fhirBaseUrl)('GET', 'Observation?patient=fault-patient&_summary=count');
  assert.equal(found.json.total, 300);
  await checkNotified(receiver, ids);
  assert.deepEqual(await signal(server, 'SIGTERM'), { code: 0, signal: null });
});
