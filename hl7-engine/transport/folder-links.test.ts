// A drop folder belongs to its senders, too: what they put there must not lead the server elsewhere.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { createMetrics, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { type FileListenerConfig, readListeners } from './config.ts';
import { createFileSource } from './file-source.ts';
import { trafficMetrics } from './traffic.ts';

test('links where the lock and the acknowledgments are to be are not written through', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-links-'));
  const settings = { kind: 'file', name: 'lab', folder, pollMs: 50, stableMs: 0 };
  const source = createFileSource(readListeners(JSON.stringify([settings]))[0] as FileListenerConfig, {
    ...{ messageBytesMax: 10_000, log: testLog(), errorMs: 20 },
    traffic: trafficMetrics(createMetrics(), systemClock)('file', 'lab'),
    handle: async (_raw, _source, send) => send(Buffer.from('acknowledged')),
    refuse: async () => Buffer.from('refused'),
  });
  t.after(async () => {
    await source.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const precious = path.join(folder, 'precious');
  await writeFile(precious, 'kept');
  const hash = createHash('sha256').update('1.hl7').digest('hex').slice(0, 16);
  const lock = path.join(folder, `cerebra.lock.${process.pid}`);
  for (const place of [path.join(folder, `.${hash}.ack`), lock]) await symlink(precious, place);
  await writeFile(path.join(folder, '1.hl7'), 'MSH|^~\\&|A|B|C|D|||ADT^A08|1|P|2.5\rPID|1\r');
  await source.start();
  await waitFor(() => source.status().fault?.includes('ELOOP'), 'the link to be told');
  await rm(lock);
  await waitFor(() => source.status().filesDone === 1, 'the file');
  const acks = path.join(folder, 'done/1.hl7.ack');
  assert.ok((await lstat(acks)).isFile());
  assert.equal(await readFile(acks, 'utf8'), 'acknowledged');
  assert.equal(await readFile(precious, 'utf8'), 'kept');
});
