// What stands in the way of a status for a moment only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceWriter } from '#fhir-model';
import { CerebraError } from '#platform';
import { createRig, subscription, waitForStatus } from '../testing/rig.ts';

test('a status that others keep from being written is written later', async (t) => {
  const { store, start } = await createRig(t);
  let refused = 0;
  const transaction: ResourceWriter['transaction'] = async (entries, context) => {
    if (refused++ === 0) throw new CerebraError('version-conflict', 'Being changed by others: try again');
    return store.writer.transaction(entries, context);
  };
  await start({ writer: { ...store.writer, transaction } });
  await store.put(subscription('s', 'http://127.0.0.1:9/hook'));
  await waitForStatus(store, 's', 'active');
  assert.equal(refused, 2);
});
