// A file whose messages want no acknowledgment (MSH-15, MSH-16 NE): where it goes says whether they were taken.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { createMetrics, systemClock } from '#platform';
import { testLog, waitFor } from '#platform/testing';
import { buildAck } from '../message/ack.ts';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { HandleMessage } from '../seams.ts';
import { type FileListenerConfig, readListeners } from './config.ts';
import { createFileSource } from './file-source.ts';
import { trafficMetrics } from './traffic.ts';

/** Ids are letters: of `a` and `b` no acknowledgment is wanted; `B` and `b` are refused. */
const message = (id: string): string => `MSH|^~\\&|A|B|C|D|||ADT^A08|${id}|P|2.5\rPID|1\r`;

const handle: HandleMessage = async (raw, _source, send, onRefused) => {
  const known = parseMessage(raw);
  const id = known.get('MSH-10')!;
  const refusal = id.toUpperCase() === 'B' ? new Refusal('AE', '101', 'PID-3 is missing') : undefined;
  if (refusal !== undefined) onRefused?.();
  if (id === id.toUpperCase()) await send(buildAck(known, { controlId: `CB-${id}`, nowMs: 0, refusal }));
};

test('a message that is refused takes its file to error, also where its sender wants no answer', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-unanswered-'));
  const settings = { kind: 'file', name: 'lab', folder, pollMs: 50, stableMs: 0 };
  const source = createFileSource(readListeners(JSON.stringify([settings]))[0] as FileListenerConfig, {
    messageBytesMax: 10_000,
    log: testLog(),
    traffic: trafficMetrics(createMetrics(), systemClock)('file', 'lab'),
    handle,
    refuse: () => Promise.reject(new Error('all are taken whole')),
  });
  t.after(async () => {
    await source.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const files = { '1.hl7': ['A', 'b', 'B'], '2.hl7': ['a'] };
  for (const [name, ids] of Object.entries(files)) await writeFile(path.join(folder, name), ids.map(message).join(''));
  await source.start();
  await waitFor(() => source.status().filesRefused === 1 && source.status().filesDone === 1, 'the files');
  const lines = (await readFile(path.join(folder, 'error', '1.hl7.ack'), 'latin1')).split(/[\r\n]+/);
  assert.deepEqual(
    lines.filter((line) => /^(?:MSA|#)/.test(line)),
    [
      'MSA|AA|A',
      'MSA|AE|B|PID-3 is missing',
      '# Message 2 was refused, and its sender wants no acknowledgment of that',
    ],
  );
  assert.equal(await readFile(path.join(folder, 'done', '2.hl7.ack'), 'latin1'), '');
});
