// kill -9 of the server while what refers to a merged patient is being moved: the rest is moved after the next start, each resource once.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createMllpClient } from '#hl7-engine';
import { waitFor } from '#platform/testing';
import { createClient, entries } from '../client.ts';
import { dataFolder, type ServerProcess, startProcess } from './server-process.ts';

const waitMs = 120_000;
const observations = 5000;

async function send({ mllpPort }: ServerProcess, event: string, ...segments: string[]): Promise<string> {
  const client = createMllpClient({ host: '127.0.0.1', port: mllpPort, timeoutMs: waitMs });
  const header = `MSH|^~\\&|ADT|MERGE|EHR|MERGE|20260131120000||ADT^${event}|${event}${segments.join().length}|P|2.5.1`;
  const ack = await client.send(Buffer.from([header, 'EVN||20260131120000', ...segments].join('\r')));
  await client.close();
  return ack.toString('latin1').split('\r')[1]!.split('|')[1]!;
}

const pid = (number: string) => `PID|1||${number}^^^MERGE^MR||TEST^${number}`;

interface Run {
  kind: string;
  status: string;
}

const lastRun = async ({ rootUrl }: ServerProcess): Promise<Run> =>
  ((await (await fetch(`${rootUrl}/admin/hl7/reference-runs`)).json()) as { runs: Run[] }).runs[0]!;

test('kill -9 in the midst of a merge, and in the midst of taking it back', async (t: TestContext) => {
  const environment = { DATA_DIR: await dataFolder(t) };
  let server = await startProcess(t, environment);
  const idOf = async (number: string): Promise<string> => {
    const reply = await createClient(server.fhirBaseUrl)('GET', `Patient?identifier=urn:id:MERGE|${number}`);
    return entries(reply)[0]!.resource!.id!;
  };
  for (const number of ['A', 'B']) assert.equal(await send(server, 'A04', pid(number)), 'AA');
  const [from, to] = [`Patient/${await idOf('A')}`, `Patient/${await idOf('B')}`];
  const resource = {
    resourceType: 'Observation',
    status: 'final',
    code: { text: 'TEST' },
    subject: { reference: from },
  };
  const entry = Array.from({ length: 1000 }, () => ({ resource, request: { method: 'POST', url: 'Observation' } }));
  for (let i = 0; i < observations / 1000; i++) {
    const reply = await createClient(server.fhirBaseUrl)('POST', '', {
      resourceType: 'Bundle',
      type: 'transaction',
      entry,
    });
    assert.equal(reply.status, 200);
  }
  const countOf = async (patient: string) =>
    (await createClient(server.fhirBaseUrl)('GET', `Observation?subject=${patient}&_summary=count`)).json.total;
  /** Kills it as soon as it has answered, starts it again and waits for the end of the work. */
  const killed = async (kind: string): Promise<void> => {
    assert.equal((await lastRun(server)).kind, kind);
    server.child.kill('SIGKILL');
    await server.ended;
    server = await startProcess(t, environment);
    await waitFor(async () => (await lastRun(server)).status === 'done', `the ${kind}`, waitMs);
  };
  /** Of every Observation: so often it was written. */
  const versions = async (): Promise<string[]> => {
    const reply = await createClient(server.fhirBaseUrl)('GET', `Observation?subject=${from},${to}&_count=1000`);
    return [...new Set(entries(reply).map((one) => one.resource!.meta!.versionId!))];
  };
  assert.equal(await send(server, 'A40', pid('B'), 'MRG|A^^^MERGE^MR'), 'AA');
  await killed('merge');
  assert.deepEqual([await countOf(from), await countOf(to)], [0, observations]);
  assert.deepEqual(await versions(), ['2']);
  assert.equal(await send(server, 'A37', pid('B'), pid('A')), 'AA');
  await killed('unmerge');
  assert.deepEqual([await countOf(from), await countOf(to)], [observations, 0]);
  assert.deepEqual(await versions(), ['3']);
});
