import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createLog } from '../log.ts';
import { emptyConnection, testLog } from '../testing/index.ts';
import { connectDb } from './connect.ts';
import { migrate, readMigrations } from './migrate.ts';
import type { Connection, Db } from './types.ts';

async function folderOf(t: TestContext, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-migrations-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, sql] of Object.entries(files)) await writeFile(path.join(folder, name), sql);
  return folder;
}

async function usingDb<T>(connection: Connection, work: (db: Db) => Promise<T>): Promise<T> {
  const db = connectDb({ ...connection, poolMax: 2, log: testLog() });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

const applied = (db: Db) => db.query({ text: 'SELECT number, name FROM migration ORDER BY number' });
const files = {
  '0001_a.sql': 'CREATE TABLE a (n int)',
  '0002_b.sql': 'CREATE TABLE b (n int); INSERT INTO b VALUES (1)',
};

describe('migrate', () => {
  it('applies each file once', async (t) => {
    const folder = await folderOf(t, files);
    await usingDb(await emptyConnection(t), async (db) => {
      await migrate(db, folder, testLog());
      await migrate(db, folder, testLog());
      assert.deepEqual(await applied(db), [
        { number: 1, name: '0001_a.sql' },
        { number: 2, name: '0002_b.sql' },
      ]);
      assert.deepEqual(await db.query({ text: 'SELECT n FROM b' }), [{ n: 1 }]);
    });
  });

  it('applies each file once with eight servers starting together', async (t) => {
    const folder = await folderOf(t, files);
    const connection = await emptyConnection(t);
    const start = () => usingDb(connection, (db) => migrate(db, folder, testLog()));
    await Promise.all(Array.from({ length: 8 }, start));
    assert.deepEqual(await usingDb(connection, (db) => db.query({ text: 'SELECT n FROM b' })), [{ n: 1 }]);
  });

  it('refuses a database of another encoding, and leaves it as it is', async (t) => {
    const folder = await folderOf(t, files);
    const connection = await emptyConnection(t);
    const database = `${connection.database}_ascii`;
    const make = `CREATE DATABASE ${database} ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`;
    await usingDb(connection, async (db) => db.query({ text: make }));
    const message =
      "The encoding of the database is SQL_ASCII, not UTF8: make one by CREATE DATABASE name ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0, and name it in DATABASE_URL";
    await usingDb({ ...connection, database }, async (db) => {
      await assert.rejects(migrate(db, folder, testLog()), { code: 'config', message });
      assert.deepEqual(await db.query({ text: `SELECT to_regclass('migration')::text AS name` }), [{ name: null }]);
    });
    await usingDb(connection, async (db) => db.query({ text: `DROP DATABASE ${database}` }));
  });

  it('warns of a database in which only A to Z have a lower case', async (t) => {
    const folder = await folderOf(t, files);
    const connection = await emptyConnection(t);
    const database = `${connection.database}_c`;
    const make = `CREATE DATABASE ${database} ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`;
    await usingDb(connection, async (db) => db.query({ text: make }));
    const said: string[] = [];
    const log = createLog({ level: 'warn', destination: { write: (line) => said.push(line) } });
    await usingDb(connection, (db) => migrate(db, folder, log));
    assert.deepEqual(said, []);
    await usingDb({ ...connection, database }, async (db) => {
      await migrate(db, folder, log);
      assert.equal((await applied(db)).length, 2);
    });
    const [record] = said.map((line) => JSON.parse(line) as { msg: string });
    assert.match(
      record!.msg,
      /^The locale of the database \(LC_CTYPE\) is C, .* LOCALE 'C\.UTF-8' TEMPLATE template0$/,
    );
    assert.equal(said.length, 1);
    await usingDb(connection, async (db) => db.query({ text: `DROP DATABASE ${database}` }));
  });

  it('refuses a PostgreSQL that is too old', async (t) => {
    const query = async () => [{ number: 140_019, version: '14.19', encoding: 'UTF8' }];
    const old = { query } as unknown as Db;
    const message = 'The database is of PostgreSQL 14.19: 15 or newer is needed';
    await assert.rejects(migrate(old, await folderOf(t, files), testLog()), { code: 'config', message });
  });

  it('applies what was added', async (t) => {
    const folder = await folderOf(t, files);
    await usingDb(await emptyConnection(t), async (db) => {
      await migrate(db, folder, testLog());
      await writeFile(path.join(folder, '0003_c.sql'), 'ALTER TABLE a ADD COLUMN m int');
      await migrate(db, folder, testLog());
      assert.equal((await applied(db)).length, 3);
    });
  });

  it('leaves nothing of a file that fails', async (t) => {
    const folder = await folderOf(t, { ...files, '0003_c.sql': 'CREATE TABLE c (n int); SELECT 1/0' });
    await usingDb(await emptyConnection(t), async (db) => {
      await assert.rejects(
        migrate(db, folder, testLog()),
        /^CerebraError: Migration 0003_c\.sql failed: division by zero$/,
      );
      assert.equal((await applied(db)).length, 2);
      assert.deepEqual(await db.query({ text: `SELECT to_regclass('c') AS c` }), [{ c: null }]);
      await writeFile(path.join(folder, '0003_c.sql'), 'CREATE TABLE c (n int)');
      await migrate(db, folder, testLog());
      assert.equal((await applied(db)).length, 3);
    });
  });

  it('refuses a file changed after it was applied', async (t) => {
    const folder = await folderOf(t, files);
    await usingDb(await emptyConnection(t), async (db) => {
      await migrate(db, folder, testLog());
      await writeFile(path.join(folder, '0001_a.sql'), 'CREATE TABLE a (n bigint)');
      await assert.rejects(migrate(db, folder, testLog()), {
        message:
          'Migration 0001_a.sql was changed after it was applied to this database (as 0001_a.sql), so this is no later version of ' +
          'what made it. Start the version that did, or name another database (DATABASE_URL, DATA_DIR)',
      });
    });
  });

  it('refuses a database of a newer version', async (t) => {
    const folder = await folderOf(t, files);
    await usingDb(await emptyConnection(t), async (db) => {
      await migrate(db, folder, testLog());
      await rm(path.join(folder, '0002_b.sql'));
      await assert.rejects(migrate(db, folder, testLog()), {
        message:
          'The database is at migration 2, this version knows 1: start a version as new as the one that used it last',
      });
    });
  });

  it('does without lz4 where the server has none', async (t) => {
    const folder = await folderOf(t, { '0001_a.sql': 'CREATE TABLE a (body text COMPRESSION lz4)' });
    await usingDb(await emptyConnection(t), async (db) => {
      await migrate(db, folder, testLog());
      const [server] = await db.query<{ lz4: boolean }>({
        text: `SELECT 'lz4' = ANY (enumvals) AS lz4 FROM pg_settings WHERE name = 'default_toast_compression'`,
      });
      const column = {
        text: `SELECT attcompression AS c FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'body'`,
      };
      assert.deepEqual(await db.query(column), [{ c: server?.lz4 ? 'l' : '' }]);
    });
  });
});

describe('readMigrations', () => {
  it('refuses another name and a number that is taken', async (t) => {
    const named = await folderOf(t, { '1_a.sql': '' });
    await assert.rejects(readMigrations(named), /Migration 1_a\.sql: expected a name like/);
    const repeated = await folderOf(t, { '0001_a.sql': '', '0001_b.sql': '' });
    await assert.rejects(readMigrations(repeated), /Migration 0001_b\.sql: its number is taken/);
  });
});
