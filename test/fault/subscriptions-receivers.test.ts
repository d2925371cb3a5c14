// Receivers that answer 500, hang, are slow, or die after they have read: each is told everything in order in the end, none holds
// up another, and a kill -9 of the server in between changes nothing.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Receiver, waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import { checkListener, hookListener, writeEvents } from './listeners.ts';
import { dataFolder, embeddedDb, type ServerProcess, startProcess } from './server-process.ts';

const topic = 'urn:cerebra:topic:new-result';
const code = 'receivers';

/** Of an event, the first attempts are met with `fault`: a status, or undefined where it has dealt with the request itself. */
function fails(receiver: Receiver, numbers: number[], times: number, fault: () => number | undefined): () => boolean {
  const left = new Map(numbers.map((number) => [number, times]));
  receiver.answer = ({ number }) => {
    const attempts = left.get(number) ?? 0;
    if (attempts === 0) return 200;
    left.set(number, attempts - 1);
    return fault();
  };
  return () => [...left.values()].every((attempts) => attempts === 0);
}

test('receivers that fail', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const environment = { DATA_DIR: dataDir, LOG_LEVEL: 'error', SCORES: 'none', SUBSCRIPTION_TIMEOUT_MS: '1000' };
  let server: ServerProcess = await startProcess(t, environment);
  const listen = (asked: { id: string; topic?: string; maxCount?: number }) =>
    hookListener(t, server, { code, ...asked });
  const healthy = await listen({ id: 'healthy' });
  const refusing = await listen({ id: 'refusing' });
  const hanging = await listen({ id: 'hanging' });
  const dying = await listen({ id: 'dying' });
  const dyingOfMany = await listen({ id: 'dying-of-many', topic, maxCount: 4 });
  const slow = await listen({ id: 'slow', topic, maxCount: 4 });
  const leaving = await listen({ id: 'leaving', topic });
  const all = [healthy, refusing, hanging, dying, dyingOfMany, slow, leaving];

  const struck = [
    fails(refusing.receiver, [3, 17], 2, () => 500),
    // The server gives up waiting; this never answers.
    fails(hanging.receiver, [2], 2, () => undefined),
    fails(dying.receiver, [4, 19], 1, () => void dying.receiver.cut()),
  ];
  // Until it is known: a server that stood still when the answer came has given up waiting for it, and asks again.
  let gone = true;
  leaving.receiver.answer = ({ number }) => (gone && number >= 5 ? 410 : 200);
  // Which numbers come last in a notification depends on how many were waiting.
  let deaths = 0;
  dyingOfMany.receiver.answer = ({ number }) => (number >= 6 && ++deaths <= 2 ? void dyingOfMany.receiver.cut() : 200);
  slow.receiver.answer = (_, response) => {
    setTimeout(() => response.writeHead(200).end(), 100);
    return undefined;
  };
  // The hang lasts until the healthy one was told of everything written meanwhile.
  const answered = hanging.receiver.answer;
  let held = true;
  hanging.receiver.answer = (request, response) =>
    held && request.number >= 2 ? undefined : answered(request, response);
  await writeEvents(() => server, { code, from: 0, to: 40 });
  await waitFor(() => healthy.told().length >= 48, 'the healthy receiver to be told of everything');
  held = false;

  server.child.kill('SIGKILL');
  await server.ended;
  server = await startProcess(t, environment);
  await writeEvents(() => server, { code, from: 40, to: 60 });

  const client = createClient(server.fhirBaseUrl);
  const isInError = async () => (await client('GET', 'Subscription/leaving')).json.status === 'error';
  await waitFor(isInError, 'the receiver that is gone for good to be known');
  gone = false;
  assert.match(String((await client('GET', 'Subscription/leaving')).json.error), /410/);
  await writeEvents(() => server, { code, from: 60, to: 70 });
  const { json } = await client('GET', 'Subscription/leaving');
  const { error: _error, ...rest } = json;
  assert.equal((await client('PUT', 'Subscription/leaving', { ...rest, status: 'requested' })).status, 200);

  const db = await embeddedDb(dataDir);
  t.after(() => db.close());
  for (const listener of all) await checkListener(db, listener, code);
  assert.deepEqual(
    struck.map((isOver) => isOver()),
    struck.map(() => true),
    'every fault has struck',
  );
  assert.ok(deaths > 2);
  assert.ok(dyingOfMany.told().length > new Set(dyingOfMany.told().map(({ number }) => number)).size);
});
