// Writers that commit late: a transaction that began before others, and ends after them, is told in its place and not left out,
// also when the server was killed in between. https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connectDb, type Db } from '#platform';
import { beforeDrop, testConnection, testLog, waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { checkListener, eventSystem, type HookListener, hookListener, writeEvents } from './listeners.ts';
import { databaseUrl, type ServerProcess, startProcess } from './server-process.ts';

const code = 'late';

/** COMMIT of a transaction that wrote held-… waits, after everything else in it, for the advisory lock of that id. */
const gate = `create function hold_commit() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock_shared(hashtext(new.id)); return null; end $$;
  create constraint trigger hold_commit after insert on change deferrable initially deferred
    for each row when (new.id like 'held-%') execute function hold_commit()`;

interface Held {
  /** Resolves with what the writer was answered; 0 when it never was. */
  status: Promise<number>;
  /** Lets it commit. */
  release(): Promise<void>;
  /** Ends its database session. */
  cut(): Promise<void>;
}

/** Begins to write an Observation; resolves when all but its commit has happened. */
async function writeHeld(db: Db, server: ServerProcess, id: string): Promise<Held> {
  const held = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holding = db.tx(async (tx) => {
    await tx.query({ text: 'select pg_advisory_xact_lock(hashtext($1))' }, [id]);
    locked.resolve();
    await held.promise;
  });
  await locked.promise;
  const resource = {
    ...{ resourceType: 'Observation', id, status: 'final' },
    code: { coding: [{ system: eventSystem, code }] },
  };
  const status = createClient(server.fhirBaseUrl)('PUT', `Observation/${id}`, resource).then(
    (reply) => reply.status,
    () => 0,
  );
  const text = `select pid from pg_locks where locktype = 'advisory' and not granted and objid = hashtext($1)::bigint::bit(32)::bigint::oid`;
  const waiting = async () => (await db.query<{ pid: number }>({ text }, [id]))[0];
  const { pid } = await waitFor(waiting, `${id} to wait for its commit`);
  const release = async () => {
    held.resolve();
    await holding;
  };
  return {
    status,
    release,
    async cut() {
      await db.query({ text: 'select pg_terminate_backend($1)' }, [pid]);
      await status;
      await release();
    },
  };
}

test('transactions that commit late', async (t: TestContext) => {
  const connection = await testConnection(t);
  const db = connectDb({ ...connection, poolMax: 6, log: testLog() });
  beforeDrop(connection.database, () => db.close());
  await db.query({ text: gate });
  const start = () =>
    startProcess(t, {
      ...{ DATABASE_URL: databaseUrl(connection), LOG_LEVEL: 'error', SCORES: 'none' },
      // A commit that is held is a statement: over the start of a server, too.
      STATEMENT_TIMEOUT_MS: '600000',
    });
  let server = await start();
  const criteria = await hookListener(t, server, { id: 'criteria', code });
  const topic = await hookListener(t, server, { id: 'topic', topic: 'urn:cerebra:topic:new-result', maxCount: 5 });
  const all = [criteria, topic];
  const check = async () => {
    for (const listener of all) await checkListener(db, listener, code);
  };
  const numberOf = (listener: HookListener, id: string) => listener.told().find((one) => one.id === id)?.number;
  let written = 0;
  const write = async (count: number) => {
    const from = written;
    written += count;
    await writeEvents(() => server, { code, from, to: written });
  };

  await t.test('two of them, the later one first: what others committed meanwhile waits for both', async () => {
    const first = await writeHeld(db, server, 'held-1');
    await write(10);
    const second = await writeHeld(db, server, 'held-2');
    await write(10);
    await second.release();
    assert.equal(await second.status, 201);
    await write(5);
    assert.deepEqual(
      all.map((listener) => listener.told()),
      [[], []],
    );
    await first.release();
    assert.equal(await first.status, 201);
    await check();
    for (const listener of all) {
      assert.equal(numberOf(listener, 'held-1'), 1);
      assert.equal(numberOf(listener, 'held-2'), 14, 'after held-1 and ten with two corrections');
    }
  });

  await t.test('one that never does: nothing is told of it, and no number is left for it', async () => {
    const held = await writeHeld(db, server, 'held-3');
    await write(10);
    await held.cut();
    assert.notEqual(await held.status, 201);
    await check();
    for (const listener of all) assert.equal(numberOf(listener, 'held-3'), undefined);
  });

  await t.test('one whose server is killed before it, and others serve on', async () => {
    const before = criteria.told().at(-1)!.number;
    const held = await writeHeld(db, server, 'held-4');
    await write(5);
    server.child.kill('SIGKILL');
    await server.ended;
    assert.equal(await held.status, 0, 'never acknowledged');
    server = await start();
    await write(5);
    await held.release();
    await check();
    for (const listener of all) assert.equal(numberOf(listener, 'held-4'), before + 1);
  });
});
