import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createDataFolder, testLog, waitFor } from '../../testing/index.ts';
import { connectDb } from '../connect.ts';
import type { Connection, Db } from '../types.ts';
import { canReach, serverAccount } from './account.ts';
import { lockFolder, processExists } from './lock.ts';
import { readStatus } from './process.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './start.ts';

async function dataFolder(t: TestContext, name = 'data'): Promise<string> {
  const folder = createDataFolder('cerebra-embedded-');
  await chmod(folder, 0o711);
  t.after(() => rm(folder, { recursive: true, force: true }));
  return path.join(folder, name);
}

const start = (dataDir: string) => startEmbeddedPostgres({ dataDir, log: testLog() });

async function using<T>(dataDir: string, work: (postgres: EmbeddedPostgres, db: Db) => Promise<T>): Promise<T> {
  const postgres = await start(dataDir);
  const db = connectDb({ ...postgres.connection, poolMax: 2, log: testLog() });
  try {
    return await work(postgres, db);
  } finally {
    await db.close();
    await postgres.stop();
  }
}

const setting = async (db: Db, name: string) =>
  (await db.query<{ v: string }>({ text: 'SELECT current_setting($1) AS v' }, [name]))[0]?.v;

/** A server process of its own, so that it can be killed. */
async function startElsewhere(
  t: TestContext,
  dataDir: string,
): Promise<{ child: ChildProcess; connection: Connection }> {
  const script = path.join(path.dirname(dataDir), 'server.ts');
  await writeFile(
    script,
    `import { startEmbeddedPostgres } from ${JSON.stringify(path.join(import.meta.dirname, 'start.ts'))};
     import { testLog } from ${JSON.stringify(path.join(import.meta.dirname, '../../testing/log.ts'))};
     const { connection } = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, log: testLog() });
     setInterval(() => {}, 60_000);
     process.send(connection);`,
  );
  const child = fork(script);
  t.after(() => child.kill('SIGKILL'));
  const [connection] = (await once(child, 'message')) as [Connection];
  return { child, connection };
}

describe('startEmbeddedPostgres', () => {
  it('creates a cluster, and finds it again', async (t) => {
    const dataDir = await dataFolder(t);
    await using(dataDir, async (_postgres, db) => {
      assert.equal(await setting(db, 'fsync'), 'on');
      assert.equal(await setting(db, 'data_checksums'), 'on');
      assert.equal(await setting(db, 'server_encoding'), 'UTF8');
      assert.equal(await setting(db, 'TimeZone'), 'UTC');
      assert.equal(await setting(db, 'listen_addresses'), '');
      assert.match((await setting(db, 'server_version')) ?? '', /^18\./);
      // By code point, whatever the machine's locale: 'Z' before 'a'.
      assert.deepEqual(await db.query({ text: `SELECT 'Z' < 'a' AS before, upper('ä') AS upper` }), [
        { before: true, upper: 'Ä' },
      ]);
      await db.query({ text: 'CREATE TABLE t AS SELECT 7 AS n' });
    });
    await using(dataDir, async (_postgres, db) =>
      assert.deepEqual(await db.query({ text: 'SELECT n FROM t' }), [{ n: 7 }]),
    );
    await assert.rejects(stat(path.join(dataDir, 'cerebra.lock')), { code: 'ENOENT' });
  });

  it('keeps its socket and files to itself', async (t) => {
    const dataDir = await dataFolder(t);
    await using(dataDir, async ({ connection }) => {
      assert.equal((await stat(connection.host)).mode & 0o777, 0o700);
      assert.equal((await stat(path.join(dataDir, 'postgres'))).mode & 0o777, 0o700);
    });
  });

  it('puts the socket of a long path in the temporary folder', async (t) => {
    const dataDir = await dataFolder(t, 'long-'.repeat(20));
    await using(dataDir, async ({ connection }, db) => {
      assert.equal(path.dirname(connection.host), os.tmpdir());
      t.after(() => rm(connection.host, { recursive: true, force: true }));
      assert.deepEqual(await db.query({ text: 'SELECT 1 AS n' }), [{ n: 1 }]);
    });
  });

  it('refuses a second server on the same folder', async (t) => {
    const dataDir = await dataFolder(t);
    await using(dataDir, async (_postgres, db) => {
      await assert.rejects(start(dataDir), {
        code: 'config',
        message: `Another server (process ${process.pid}) uses the data folder ${dataDir} (DATA_DIR): stop it, or give this one another folder`,
      });
      assert.deepEqual(await db.query({ text: 'SELECT 1 AS n' }), [{ n: 1 }]);
    });
  });

  it('says which setting names a data folder that cannot be used', async (t) => {
    const file = await dataFolder(t, 'file');
    await writeFile(file, '');
    for (const [folder, reason] of [
      [file, `EEXIST: file already exists, mkdir '${file}'`],
      [path.join(file, 'below'), `EEXIST: file already exists, mkdir '${file}'`],
    ] as const) {
      const message = `The data folder ${folder} (DATA_DIR) cannot be used: ${reason}: set DATA_DIR to a folder in which this user may write`;
      await assert.rejects(start(folder), { code: 'config', message });
    }
  });

  it('ends where no folder can be made', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async () => {
    const message =
      "The data folder /proc/cerebra/data (DATA_DIR) cannot be used: ENOENT: no such file or directory, mkdir '/proc/cerebra': set DATA_DIR to a folder in which this user may write";
    await assert.rejects(start('/proc/cerebra/data'), { code: 'config', message });
  });

  it('refuses the files of another major version', async (t) => {
    const dataDir = await dataFolder(t);
    await mkdir(path.join(dataDir, 'postgres/data'), { recursive: true });
    await writeFile(path.join(dataDir, 'postgres/data/PG_VERSION'), '17\n');
    await assert.rejects(start(dataDir), /was written by PostgreSQL 17; this version runs 18/);
    await assert.rejects(stat(path.join(dataDir, 'cerebra.lock')), { code: 'ENOENT' });
  });

  it('starts over after an initdb that was interrupted', async (t) => {
    const dataDir = await dataFolder(t);
    await mkdir(path.join(dataDir, 'postgres/data.unfinished/base'), { recursive: true });
    await using(dataDir, async (_postgres, db) => assert.equal(await setting(db, 'fsync'), 'on'));
  });

  it('recovers what was committed when server and PostgreSQL are killed', async (t) => {
    const dataDir = await dataFolder(t);
    const { child, connection } = await startElsewhere(t, dataDir);
    const db = connectDb({ ...connection, poolMax: 1, log: testLog() });
    await db.query({ text: 'CREATE TABLE t AS SELECT generate_series(1, 1000) AS n' });
    const status = await readStatus(path.join(dataDir, 'postgres/data'));
    child.kill('SIGKILL');
    process.kill(status!.pid, 'SIGKILL');
    await once(child, 'exit');
    await db.close();
    await using(dataDir, async (_postgres, after) =>
      assert.deepEqual(await after.query({ text: 'SELECT count(*) AS n FROM t' }), [{ n: 1000n }]),
    );
  });

  it('starts PostgreSQL again when it was told to stop and waits for sessions that do not end', async (t) => {
    await using(await dataFolder(t), async (postgres, db) => {
      const { pid } = postgres;
      const session = db.tx(async (tx) => {
        process.kill(pid, 'SIGTERM');
        await waitFor(() => postgres.pid !== pid, 'another PostgreSQL');
        await tx.query({ text: 'select 1' });
      });
      await assert.rejects(session, { code: 'unavailable' });
      await waitFor(async () => (await db.query({ text: 'select 1' })).length === 1, 'new sessions');
    });
  });

  it('ends the PostgreSQL that a killed server left running, and starts its own', async (t) => {
    const dataDir = await dataFolder(t);
    const { child, connection } = await startElsewhere(t, dataDir);
    const db = connectDb({ ...connection, poolMax: 1, log: testLog() });
    await db.query({ text: 'CREATE TABLE t AS SELECT 7 AS n' });
    await db.close();
    const left = (await readStatus(path.join(dataDir, 'postgres/data')))!;
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(processExists(left.pid), true);
    await using(dataDir, async (postgres, after) => {
      assert.notEqual(postgres.pid, left.pid);
      assert.equal(processExists(left.pid), false);
      assert.deepEqual(await after.query({ text: 'SELECT n FROM t' }), [{ n: 7 }]);
    });
  });

  it('outlives the terminal’s Ctrl-C: it has a session of its own', {
    skip: process.platform !== 'linux',
  }, async (t) => {
    await using(await dataFolder(t), async ({ pid }) => {
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
      assert.equal(Number(fields[3]), pid);
    });
  });

  it('says why PostgreSQL did not start, and gives the folder free', async (t) => {
    const dataDir = await dataFolder(t);
    const settings = { shared_buffers: 'much' };
    await assert.rejects(startEmbeddedPostgres({ dataDir, log: testLog(), settings }), /shared_buffers/);
    await using(dataDir, async (_postgres, db) => assert.equal(await setting(db, 'shared_buffers'), '128MB'));
  });
});

describe('lockFolder', () => {
  it('takes over the lock of a dead process, and of a number that now belongs to another', async (t) => {
    const folder = await dataFolder(t);
    await mkdir(folder);
    for (const stale of ['4194305 1@boot\n', `${process.pid} 1@another-boot\n`, '', 'nonsense']) {
      await writeFile(path.join(folder, 'cerebra.lock'), stale);
      await (await lockFolder(folder)).release();
    }
    await assert.rejects(stat(path.join(folder, 'cerebra.lock')), { code: 'ENOENT' });
  });

  it('is held by one', async (t) => {
    const folder = await dataFolder(t);
    await mkdir(folder);
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => lockFolder(folder)));
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  });
});

describe('canReach', () => {
  it('asks every folder on the way', async (t) => {
    const folder = await dataFolder(t);
    await mkdir(path.join(folder, 'inner'), { recursive: true, mode: 0o755 });
    const stranger = { uid: 65533, gid: 65533, name: 'stranger' };
    assert.equal(await canReach(stranger, path.join(folder, 'inner')), true);
    await chmod(folder, 0o700);
    assert.equal(await canReach(stranger, path.join(folder, 'inner')), false);
    const { uid, gid } = await stat(folder);
    assert.equal(await canReach({ uid, gid, name: 'owner' }, path.join(folder, 'inner')), true);
  });
});

it('runs PostgreSQL as root never', async () => {
  const account = await serverAccount();
  if (process.getuid?.() === 0) assert.notEqual(account?.uid, 0);
  else assert.equal(account, undefined);
});
