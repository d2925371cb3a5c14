// One load a file at a time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCerebraError } from '#platform';
import { assertStoreSound } from '../testing.ts';
import { createRig, ndjson, patient } from './testing/rig.ts';

test('a load is refused while another one is at work on the file, which loses nothing', async (t) => {
  const rig = await createRig(t);
  const lines = Array.from({ length: 2500 }, (_, i) => patient(undefined, `N${i}`));
  await rig.file('Patient.ndjson', ndjson(lines));
  let loads: Promise<unknown>[] = [];
  await rig.db.tx(async (tx) => {
    // Neither stores a piece before the other one has been refused.
    await tx.query({ text: 'lock table load_range in share mode' });
    loads = [rig.load([rig.folder]), rig.load([rig.folder])];
    await Promise.race(loads.map((one) => one.catch(() => undefined)));
  });
  const both = await Promise.allSettled(loads);
  const refused = both.find((one) => one.status === 'rejected');
  assert.ok(isCerebraError(refused?.reason, 'config'), String(refused?.reason));
  assert.ok(both.some(({ status }) => status === 'fulfilled'));
  await rig.load([rig.folder]);
  assert.equal(await rig.count('Patient'), 2500);
  await assertStoreSound(rig.core.store);
});
