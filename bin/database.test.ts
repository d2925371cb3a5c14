// The embedded database of a command that others came to use.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectDb } from '#platform';
import { testConnection, testLog } from '#platform/testing';
import { othersOf, untilUnused } from './database.ts';

async function waited(...counts: number[]): Promise<{ left: number[]; told: number }> {
  let told = 0;
  const log = {
    warn: () => {
      told++;
    },
  };
  await untilUnused(async () => counts.shift()!, log, 1);
  return { left: counts, told };
}

test('it stays until nobody uses it any more, which is told once', async () => {
  assert.deepEqual(await waited(0, 1), { left: [1], told: 0 });
  assert.deepEqual(await waited(3, 1, 1, 0, 1), { left: [1], told: 1 });
});

test('a command uses it, a session that somebody left open does not', async (t) => {
  const connection = await testConnection(t);
  const others = async (applicationName?: string): Promise<number> => {
    const db = connectDb({ ...connection, poolMax: 1, log: testLog(), applicationName });
    try {
      await db.query({ text: 'select 1' });
      return await othersOf(connection, testLog());
    } finally {
      await db.close();
    }
  };
  assert.equal(await others('psql'), 0);
  assert.equal(await others(), 1);
});
