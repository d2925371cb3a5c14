// Two servers on one database: they start at once on an empty one, both serve, and one takes over when the other is killed.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connectDb, type Db } from '#platform';
import { beforeDrop, emptyConnection, testLog, waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { checkStore } from './checks.ts';
import { startReceiver } from './receiver.ts';
import { checkNotified, setScene } from './scene.ts';
import { databaseUrl, dispatches, type ServerProcess, signal, startProcess } from './server-process.ts';
import { createBody } from './workload.ts';

async function create(server: ServerProcess, number: number): Promise<string> {
  const { status, json, text } = await createClient(server.fhirBaseUrl)('POST', 'Observation', createBody(number));
  assert.equal(status, 201, text);
  return json.id!;
}

const leaseOf = async (db: Db) =>
  (await db.query<{ holder: string | null }>({ text: `select holder from dispatcher where name = 'subscriptions'` }))[0]
    ?.holder;

test('two servers on one database', async (t: TestContext) => {
  const connection = await emptyConnection(t);
  const db = connectDb({ ...connection, poolMax: 2, log: testLog() });
  beforeDrop(connection.database, () => db.close());
  const receiver = await startReceiver(t);
  // Leases of deliveries follow the timeout of a request: three times that, and 5 s at least.
  const environment = { DATABASE_URL: databaseUrl(connection), SUBSCRIPTION_TIMEOUT_MS: '1000' };
  const servers = await Promise.all([startProcess(t, environment), startProcess(t, environment)]);

  const migrations = await db.query<{ number: number }>({ text: 'select number from migration order by number' });
  assert.deepEqual(
    migrations.map(({ number }) => number),
    Array.from({ length: migrations.length }, (_, index) => index + 1),
  );
  const applied = servers.flatMap(({ output }) => output().match(/migration applied/g) ?? []);
  assert.equal(applied.length, migrations.length, 'each migration is applied by one of them');

  await setScene(servers[0], receiver);
  const ids: string[] = [];
  for (let number = 0; number < 40; number++) ids.push(await create(servers[number % 2]!, number));
  for (const [index, id] of ids.entries()) {
    const reply = await createClient(servers[(index + 1) % 2]!.fhirBaseUrl)('GET', `Observation/${id}`);
    assert.equal(reply.status, 200, 'what one has stored the other shows');
  }
  await checkNotified(receiver, ids);

  // One of the two dispatches. It is killed under load, with notifications under way; the other one takes over.
  const dispatching = await waitFor(() => {
    const those = servers.filter(dispatches);
    return those.length === 1 && those;
  }, 'one of them to dispatch');
  const holder = await leaseOf(db);
  assert.ok(holder);
  const survivor = servers.find((server) => server !== dispatching[0])!;
  for (let number = 40; number < 80; number++) {
    ids.push(await create(survivor, number));
    if (number === 60) dispatching[0]!.child.kill('SIGKILL');
  }
  assert.deepEqual(await dispatching[0]!.ended, { code: null, signal: 'SIGKILL' });
  await checkNotified(receiver, ids);
  const successor = await waitFor(() => leaseOf(db), 'a dispatcher');
  assert.notEqual(successor, holder);
  await waitFor(() => dispatches(survivor), 'the survivor to say so');
  await checkStore(db);
  assert.deepEqual(await signal(survivor, 'SIGTERM'), { code: 0, signal: null });
});
