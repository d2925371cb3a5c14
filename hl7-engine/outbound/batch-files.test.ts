// Destinations that are folders and get batches.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { testDatabase, waitFor } from '#platform/testing';
import { message, rowsOf, sequence, soon, startOutbound } from '../testing/outbound-rig.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-batch-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const destinations = (folder: string, batch: { messagesMax: number; waitMs: number }) => [
  { name: 'drop', kind: 'file', folder, fileName: '{id}.hl7', batch, retry: soon },
];

const hourMs = 3_600_000;

/** Control ids of each file, in the order of their names. */
const idsIn = (folder: string): string[][] =>
  readdirSync(folder)
    .sort()
    .map((name) => readFileSync(path.join(folder, name), 'latin1'))
    .map((text) => [...text.matchAll(/^MSH(?:\|[^|\r]*){8}\|([^|\r]*)/gm)].map(([, id]) => id!));

test('a batch that was written and not noted is not written again, whatever came meanwhile', async (t) => {
  const db = await testDatabase(t);
  const folder = folderOf(t);
  const rig = await startOutbound(t, db, destinations(folder, { messagesMax: 3, waitMs: 0 }));
  await rig.send(sequence('M', 2).map((id, index) => message('drop', id, `P${index}`)));
  await rig.allBecome('delivered');
  assert.deepEqual(idsIn(folder), [['M0', 'M1']]);
  // As a server leaves it that is killed between the file and the note, two messages coming before the next start.
  await rig.queues.stop();
  await db.query({ text: `update hl7_outbound set state = 'queued', ended_at = null, attempts = 0` });
  const next = await startOutbound(t, db, destinations(folder, { messagesMax: 3, waitMs: hourMs }));
  await next.send(sequence('N', 2).map((id, index) => message('drop', id, `P${index}`)));
  await next.call('POST', '/admin/hl7/destinations/drop/drain');
  await next.allBecome('delivered');
  assert.deepEqual(idsIn(folder), [['M0', 'M1'], ['N0'], ['N1']]);
});

test('a file is named by when its message was queued, and known again on the next day', async (t) => {
  const db = await testDatabase(t);
  const folder = folderOf(t);
  const drop = { name: 'drop', kind: 'file', folder, fileName: '{date}-{time}-{type}-{id}.hl7', retry: soon };
  const rig = await startOutbound(t, db, [drop]);
  await rig.call('POST', '/admin/hl7/destinations/drop/pause');
  await waitFor(async () => (await rig.heldState('drop'))?.paused === true, 'the holder to know');
  await rig.send([message('drop', 'A', 'P'), { ...message('drop', '', 'Q'), body: Buffer.from('no HL7') }]);
  await db.query({ text: `update hl7_outbound set queued_at = '2026-01-31T22:59:58.7-01:00'` });
  await rig.call('POST', '/admin/hl7/destinations/drop/resume');
  await rig.allBecome('delivered');
  const ids = await db.query<{ id: bigint }>({ text: 'select id from hl7_outbound order by id' });
  const names = ids.map(({ id }, index) => {
    const type = ['ADT_A08', 'none'][index];
    return `20260131-235958-${type}-${String(id).padStart(12, '0')}.hl7`;
  });
  assert.deepEqual(readdirSync(folder).sort(), names);
  // As a server leaves it that is killed between the file and the note.
  await rig.queues.stop();
  await db.query({ text: `update hl7_outbound set state = 'queued', ended_at = null, attempts = 0` });
  const next = await startOutbound(t, db, [drop]);
  await next.allBecome('delivered');
  assert.deepEqual(readdirSync(folder).sort(), names);
});

test('a batch of the largest size becomes full', async (t) => {
  const db = await testDatabase(t);
  const folder = folderOf(t);
  const rig = await startOutbound(t, db, destinations(folder, { messagesMax: 1_000, waitMs: hourMs }));
  const ids = sequence('M', 1_000);
  await rig.send(ids.map((id) => message('drop', id, 'P')));
  await rig.allBecome('delivered');
  assert.deepEqual(idsIn(folder), [ids]);
});

test('draining writes a batch that is not full yet', async (t) => {
  const db = await testDatabase(t);
  const folder = folderOf(t);
  const rig = await startOutbound(t, db, destinations(folder, { messagesMax: 100, waitMs: hourMs }));
  await rig.send([message('drop', 'A', 'P')]);
  assert.deepEqual(
    (await rowsOf(db)).map(({ state }) => state),
    ['queued'],
  );
  await rig.call('POST', '/admin/hl7/destinations/drop/drain');
  await rig.allBecome('delivered');
  assert.deepEqual(idsIn(folder), [['A']]);
});
