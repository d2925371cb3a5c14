// What a PostgreSQL loses that crashes under a load and comes back: the load goes on, and does not call the file finished.
// https://www.postgresql.org/docs/current/wal-async-commit.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertStoreSound } from '../testing.ts';
import { createRig, ndjson, patient } from './testing/rig.ts';

const counts = (created: number, updated = 0, present = 0, refused = 0) => ({ created, updated, present, refused });

/** The first piece of each file is gone once it is committed: its record, and its resources. */
const lose = [
  `create function lose() returns trigger language plpgsql as $$ begin
      delete from load_range where from_at = 0;
      return null;
    end $$`,
  'create trigger lose after insert on load_range for each statement execute function lose()',
];

const LOST = 'PostgreSQL has lost parts of the file that it had taken, as in a crash: load the file again';

test('a file of which a committed piece is gone stays unfinished, and the next load brings that', async (t) => {
  const rig = await createRig(t);
  for (const text of lose) await rig.db.query({ text });
  const lines = await rig.file('a.ndjson', ndjson(Array.from({ length: 600 }, (_, i) => patient(`p${i}`))));
  const entry = [{ resource: patient('b1'), request: { method: 'PUT', url: 'Patient/b1' } }];
  const bundle = await rig.file('b.json', JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }));
  const first = await rig.load([lines, bundle]);
  assert.deepEqual(first.faults.sort(), [`a.ndjson: ${LOST}`, `b.json: ${LOST}`]);
  assert.equal(first.summary.unreadable, 2);
  await rig.db.query({ text: 'drop trigger lose on load_range' });
  await rig.db.query({ text: `delete from r_patient where id in ('p0', 'p1', 'b1')` });
  const second = await rig.load([lines, bundle]);
  assert.deepEqual([second.faults, second.summary.unreadable, second.summary.filesKnown], [[], 0, 0]);
  assert.deepEqual(second.summary.counts, counts(3, 0, 248));
  assert.equal(await rig.count('Patient'), 601);
  assert.equal((await rig.load([lines, bundle])).summary.filesKnown, 2);
});

test('files without a piece are finished', async (t) => {
  const rig = await createRig(t);
  const { summary, faults } = await rig.load([await rig.file('empty.ndjson', '')]);
  assert.deepEqual([faults, summary.counts, summary.unreadable], [[], counts(0), 0]);
  assert.equal((await rig.load([rig.folder])).summary.filesKnown, 1);
  await assertStoreSound(rig.core.store);
});
