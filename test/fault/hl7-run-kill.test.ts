// kill -9 while messages are processed once more, while their index is built and while a piece of a message waits for the next
// one: the next start goes on with all of it at once, and nothing is done twice.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createMllpClient } from '#hl7-engine';
import type { Db } from '#platform';
import { waitFor } from '#platform/testing';
import { waitMs } from './hl7-checks.ts';
import { type MllpReceiver, startMllpReceiver } from './mllp-receiver.ts';
import { dataFolder, embeddedDb, type ServerProcess, startProcess } from './server-process.ts';

const messages = 120 * Number(process.env.FAULT_SCALE ?? 1);
const patients = 6;

const header = (id: string, more = ''): string =>
  `MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000||ORU^R01|${id}|P|2.5.1${more}`;
const result = (id: string, patient: string): string[] => [
  `PID|1||${patient}^^^HOSP^MR`,
  `OBR|1||F${id}^LAB|718-7^Hb^LN|||20260131080000||||||||||||||||||F`,
];
const value = (words: string): string => `OBX|1|ST|718-7^Hb^LN||${words}||||||F`;

/** The code in MSA-1 of each, all of one connection. */
async function send(server: ServerProcess, texts: string[][]): Promise<string[]> {
  const client = createMllpClient({ host: '127.0.0.1', port: server.mllpPort, timeoutMs: waitMs });
  const codes: string[] = [];
  for (const lines of texts) {
    const ack = String(await client.send(Buffer.from(lines.join('\r'))));
    codes.push(/\rMSA\|(\w\w)/.exec(ack)?.[1] ?? ack);
  }
  await client.close();
  return codes;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of which tests assert what it holds
async function ask(server: ServerProcess, path: string, body?: object): Promise<any> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(`${server.rootUrl}/admin/hl7/${path}`, {
    ...init,
    headers: { 'content-type': 'application/json' },
  });
  assert.ok(response.ok, `${response.status} ${path}`);
  return response.json();
}

async function kill(server: ServerProcess): Promise<void> {
  server.child.kill('SIGKILL');
  await server.ended;
}

const attemptsOf = (db: Db): Promise<{ control_id: string; attempts: number }[]> =>
  db.query({ text: `select control_id, attempts from hl7_message where control_id like 'M%' order by id` });

/** Those of one patient, of their second coming: each once, but for one a kill that its receiver may get twice, and in order. */
function assertSentAgain({ received }: MllpReceiver, kills: number): void {
  const times = new Map<string, number>();
  for (const { controlId } of received) times.set(controlId, (times.get(controlId) ?? 0) + 1);
  const sent = Array.from({ length: messages }, (_, number) => times.get(`M${number}`) ?? 0);
  assert.deepEqual(
    sent.filter((count) => count < 2),
    [],
  );
  const more = sent.reduce((sum, count) => sum + count - 2, 0);
  assert.ok(more <= kills * patients, `${more} more than were to come`);
}

test('kill -9 during a run over the journal, beside an index that is behind and a piece that waits', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const receiver = await startMllpReceiver(t);
  const route = { id: 'on', name: 'On', destinations: [{ kind: 'fhir' }, { kind: 'queue', name: 'north' }] };
  const destinations = [
    { name: 'north', kind: 'mllp', host: '127.0.0.1', port: receiver.port, retry: { minMs: 20, maxMs: 200 } },
  ];
  const environment = { DATA_DIR: dataDir, HL7_DESTINATIONS: JSON.stringify(destinations) };
  let server = await startProcess(t, environment);
  const put = await fetch(`${server.rootUrl}/admin/hl7/routes/on`, {
    method: 'PUT',
    body: JSON.stringify({ route, author: 'kim', comment: 'test' }),
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(put.status, 201);
  const all = Array.from({ length: messages }, (_, number) => {
    const id = `M${number}`;
    return [header(id), ...result(id, `P${number % patients}`), value(`word${number}`)];
  });
  assert.deepEqual(new Set(await send(server, all)), new Set(['AA']));
  const first = [header('C1'), ...result('C', 'PC'), value('begin'), 'DSC|next|F'];
  assert.deepEqual(await send(server, [first]), ['AA']);
  const { id } = await ask(server, 'reprocess-runs', { filter: { type: 'ORU' }, author: 'kim' });
  let db = await embeddedDb(dataDir);
  let kills = 0;
  for (const share of [0.1, 0.5]) {
    await waitFor(
      async () => (await attemptsOf(db)).filter(({ attempts }) => attempts > 1).length > share * messages,
      'a part of the run',
    );
    await db.close();
    await kill(server);
    kills++;
    server = await startProcess(t, environment);
    db = await embeddedDb(dataDir);
  }
  const run = await waitFor(
    async () => {
      const now = await ask(server, `reprocess-runs/${id}`);
      return now.status === 'done' ? now : undefined;
    },
    'the run to end',
    waitMs,
  );
  assert.deepEqual([run.done >= messages, run.failures], [true, 0]);
  assert.deepEqual(
    (await attemptsOf(db)).filter(({ attempts }) => attempts !== 2),
    [],
  );
  const last = [header('C2', '||next'), 'OBX|2|ST|4544-3^Hct^LN||end||||||F'];
  assert.deepEqual(await send(server, [last]), ['AA']);
  const found = await fetch(`${server.fhirBaseUrl}/Observation?subject:Patient.identifier=PC&_elements=valueString`);
  const { entry } = (await found.json()) as { entry: { resource: { valueString: string } }[] };
  assert.deepEqual(entry.map(({ resource }) => resource.valueString).sort(), ['begin', 'end']);
  for (const number of [0, messages - 1]) {
    const { messages: hits } = await ask(server, `messages?text=word${number}`);
    assert.equal(hits.length, 1, `word${number}`);
  }
  const times = (number: number) => receiver.received.filter(({ controlId }) => controlId === `M${number}`).length;
  const areAllTwice = () => Array.from({ length: messages }, (_, number) => times(number)).every((count) => count >= 2);
  await waitFor(areAllTwice, 'what the run sends', waitMs);
  assertSentAgain(receiver, kills);
  await db.close();
});
