// kill -9 of a server that takes messages in and sends them on: what was acknowledged is delivered, each patient's in
// order, and the receiver gets at most the messages under way a second time.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createMllpClient, type MllpClient } from '#hl7-engine';
import { waitFor } from '#platform/testing';
import { startMllpReceiver } from './mllp-receiver.ts';
import { dataFolder, embeddedDb, type ServerProcess, startProcess } from './server-process.ts';

const patientCount = 6;
const connectionCount = 4;
/** Messages that the receiver has got when the server is killed, counted from each start. */
const killMoments = [40, 75, 110];

/** On a machine with other things to do. */
const waitMs = 120_000;

const controlId = (patient: number, number: number): string => `OUT-${patient}-${number}`;

function adtMessage(patient: number, number: number): string {
  return [
    `MSH|^~\\&|FAULTADT|FAULTHOSP|CEREBRA|FAULTHOSP|20260105080000+0000||ADT^A08^ADT_A01|${controlId(patient, number)}|P|2.5.1`,
    'EVN|A08|20260105080000+0000',
    `PID|1||FAULT-PERSON-${patient}^^^FAULTHOSP&2.999.7&ISO^MR||Testperson^Number${patient}||19700101|F`,
    'PV1|1|N',
    '',
  ].join('\r');
}

/** One patient's messages one after the other; one that was not acknowledged is sent again. */
async function feed(servers: () => ServerProcess, patient: number, signal: AbortSignal): Promise<number> {
  let number = 0;
  let client: MllpClient | undefined;
  let port = 0;
  while (!signal.aborted) {
    if (port !== servers().mllpPort) await client?.close();
    if (port !== servers().mllpPort) client = undefined;
    port = servers().mllpPort;
    client ??= createMllpClient({ host: '127.0.0.1', port, timeoutMs: 30_000 });
    const ack = await client.send(adtMessage(patient, number)).catch(() => undefined);
    if (ack?.includes(`MSA|AA|${controlId(patient, number)}`)) number++;
    // The server is being killed and started: look again a little later.
    else await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await client?.close();
  return number;
}

test('kill -9 in the middle of deliveries', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const routes = path.join(path.dirname(dataDir), 'routes');
  await mkdir(routes);
  const route = {
    id: 'forward',
    name: 'Forward',
    destinations: [{ kind: 'fhir' }, { kind: 'queue', name: 'receiver' }],
  };
  await writeFile(path.join(routes, 'forward.json'), JSON.stringify(route));
  const receiver = await startMllpReceiver(t);
  const destination = {
    ...{ name: 'receiver', kind: 'mllp', host: '127.0.0.1', port: receiver.port, connections: connectionCount },
    retry: { minMs: 20, maxMs: 200 },
  };
  const environment = {
    ...{ DATA_DIR: dataDir, HL7_ROUTES_DIR: routes },
    HL7_DESTINATIONS: JSON.stringify([destination]),
  };
  let server = await startProcess(t, environment);
  const stop = new AbortController();
  const feeds = Array.from({ length: patientCount }, (_, patient) => feed(() => server, patient, stop.signal));

  for (const moment of killMoments) {
    const before = receiver.received.length;
    receiver.onMessage = (count) => {
      if (count - before === moment) server.child.kill('SIGKILL');
      // Some it drops after receipt, so that what was the last word is lost.
      return count % 23 === 0;
    };
    await waitFor(() => receiver.received.length - before >= moment, `${moment} deliveries`, waitMs);
    assert.deepEqual(await server.ended, { code: null, signal: 'SIGKILL' });
    server = await startProcess(t, environment);
  }
  const before = receiver.received.length;
  await waitFor(() => receiver.received.length > before + 60, 'deliveries after the last start', waitMs);
  stop.abort();
  const acknowledged = await Promise.all(feeds);
  receiver.onMessage = () => false;

  const total = acknowledged.reduce((sum, count) => sum + count, 0);
  assert.ok(total > killMoments.reduce((sum, moment) => sum + moment, 0) / 2, `${total} messages were acknowledged`);
  const db = await embeddedDb(dataDir);
  try {
    const left = `select count(*)::int as n from hl7_outbound where state <> 'delivered'`;
    await waitFor(
      async () => (await db.query<{ n: number }>({ text: left }))[0]!.n === 0,
      'all to be delivered',
      waitMs,
    );
    const rows = await db.query<{ control_id: string }>({ text: 'select control_id from hl7_outbound' });
    assert.equal(new Set(rows.map((row) => row.control_id)).size, rows.length, 'each message is queued once');
    assert.ok(rows.length >= total);
  } finally {
    await db.close();
  }
  for (let patient = 0; patient < patientCount; patient++) {
    const got = receiver.received.filter((one) => one.patient === `FAULT-PERSON-${patient}`);
    const firsts = [...new Set(got.map((one) => one.controlId))];
    assert.ok(firsts.length >= acknowledged[patient]!, 'what was acknowledged was delivered');
    assert.deepEqual(
      firsts,
      Array.from({ length: firsts.length }, (_, number) => controlId(patient, number)),
      `the messages of patient ${patient} came in order`,
    );
  }
});
