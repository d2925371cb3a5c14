// A database that is set to read-only for a while: https://www.postgresql.org/docs/current/runtime-config-client.html
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beforeDrop, emptyConnection, testLog } from '../testing/index.ts';
import { connectDb } from './connect.ts';
import type { Db } from './types.ts';

const insert = { text: 'INSERT INTO t VALUES (1)' };
const ways: [name: string, write: (db: Db) => Promise<unknown>][] = [
  ['a transaction', (db) => db.tx((tx) => tx.query(insert))],
  ['a transaction that is pipelined', (db) => db.tx(async (tx) => tx.queue(insert))],
  ['a statement in line', (db) => db.inLine.query(insert)],
  ['a statement', (db) => db.query(insert)],
];

for (const [name, write] of ways) {
  test(`${name} is taken again when the database takes changes, though the session began while it did not`, async (t) => {
    const connection = await emptyConnection(t);
    const admin = connectDb({ ...connection, poolMax: 1, log: testLog() });
    beforeDrop(connection.database, () => admin.close());
    await admin.query({ text: 'CREATE TABLE t (n int)' });
    const set = (value: string) =>
      admin.query({ text: `ALTER DATABASE ${connection.database} SET default_transaction_read_only = ${value}` });
    await set('on');
    const db = connectDb({ ...connection, poolMax: 1, log: testLog() });
    beforeDrop(connection.database, () => db.close());
    await assert.rejects(write(db), { code: 'unavailable' });
    await set('off');
    await write(db);
    assert.deepEqual(await db.query({ text: 'SELECT n FROM t' }), [{ n: 1 }]);
  });
}
