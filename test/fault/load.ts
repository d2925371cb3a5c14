// The load: creates, updates and deletions, transactions, HL7 messages and device readings, all at once, until told to stop or cut off.
import mqtt, { type MqttClient } from 'mqtt';
import { createMllpClient } from '#hl7-engine';
import type { Kind, Ledger } from './ledger.ts';
import type { ServerProcess } from './server-process.ts';
import { bundleBody, change, createBody, oruMessage, readingPayload, readingTopic } from './workload.ts';

const workers = {
  create: 8,
  change: 6,
  bundle: 2,
  mllpConnections: 3,
  messagesUnderWay: 2,
  mqttClients: 3,
  readingsUnderWay: 4,
};
const timeoutMs = 120_000;

type Send = (number: number) => Promise<void>;

/** Sends one thing after the other. A connection that fails ends the worker; the thing under way stays unanswered. */
async function work(kind: Kind, ledger: Ledger, signal: AbortSignal, send: Send): Promise<void> {
  while (!signal.aborted) {
    try {
      await send(ledger.send(kind));
    } catch {
      if (!signal.aborted) ledger.refuse(kind, 'connection lost');
      return;
    }
  }
}

const several = (count: number, start: () => Promise<void>): Promise<void>[] => Array.from({ length: count }, start);

async function post(
  url: string,
  body: unknown,
): Promise<{ status: number; json: { id?: string; issue?: { code: string }[] } }> {
  const init = { method: 'POST', headers: { 'Content-Type': 'application/fhir+json' }, body: JSON.stringify(body) };
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
  return { status: response.status, json: (await response.json()) as { id?: string } };
}

function httpSenders(base: string, ledger: Ledger): Record<'create' | 'bundle', Send> {
  const sender = (kind: Kind, url: string, bodyOf: (number: number) => unknown, good: number): Send => {
    return async (number) => {
      const { status, json } = await post(url, bodyOf(number));
      if (status === good) ledger.acknowledge(kind, number, json.id);
      else ledger.refuse(kind, `${status} ${json.issue?.[0]?.code}`);
    };
  };
  return {
    create: sender('create', `${base}/Observation`, createBody, 201),
    bundle: sender('bundle', base, bundleBody, 200),
  };
}

/** What is acknowledged is the version that the change made; a deletion of what is not there makes none. */
function changeSender(base: string, ledger: Ledger): Send {
  return async (number) => {
    const { id, body } = change(number);
    const response = await fetch(`${base}/Location/${id}`, {
      method: body ? 'PUT' : 'DELETE',
      headers: { 'Content-Type': 'application/fhir+json', Prefer: 'return=minimal' },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    if (response.ok) ledger.acknowledge('change', number, /"(\d+)"/.exec(response.headers.get('etag') ?? '')?.[1]);
    else ledger.refuse('change', `${response.status} ${/"code":"([\w-]+)"/.exec(text)?.[1]}`);
  };
}

/** MSA-1 of an acknowledgement that is for this message. */
export function acknowledgmentCode(ack: Buffer, controlId: string): string {
  const [, code, id] = /\rMSA\|(\w\w)\|([^|\r]*)/.exec(ack.toString('latin1')) ?? [];
  return id === controlId ? (code ?? '') : 'not for this message';
}

async function sendMessages(port: number, ledger: Ledger, signal: AbortSignal): Promise<void> {
  const client = createMllpClient({ host: '127.0.0.1', port, timeoutMs });
  const send: Send = async (number) => {
    const code = acknowledgmentCode(await client.send(oruMessage(number)), `FAULT-${number}`);
    if (code === 'AA') ledger.acknowledge('message', number);
    else ledger.refuse('message', code);
  };
  await Promise.all(several(workers.messagesUnderWay, () => work('message', ledger, signal, send)));
  await client.close();
}

/** A publisher whose promises reject when the connection is lost. */
async function mqttPublisher(port: number): Promise<{ publish: Send; end(): Promise<void> }> {
  const client: MqttClient = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 });
  client.on('error', () => {});
  const closed = new Promise<never>((_resolve, reject) => client.once('close', () => reject(new Error('closed'))));
  closed.catch(() => {});
  return {
    async publish(number) {
      await Promise.race([client.publishAsync(readingTopic(number), readingPayload(number), { qos: 1 }), closed]);
    },
    end: () => client.endAsync(true),
  };
}

async function publishReadings(port: number, ledger: Ledger, signal: AbortSignal): Promise<void> {
  const publisher = await mqttPublisher(port);
  const send: Send = async (number) => {
    await publisher.publish(number);
    ledger.acknowledge('reading', number);
  };
  await Promise.all(several(workers.readingsUnderWay, () => work('reading', ledger, signal, send)));
  await publisher.end();
}

/** Resolves when every worker has ended: because of `signal`, or because the server is gone. */
export async function runLoad(server: ServerProcess, ledger: Ledger, signal: AbortSignal): Promise<void> {
  const http = httpSenders(server.fhirBaseUrl, ledger);
  await Promise.all([
    ...several(workers.create, () => work('create', ledger, signal, http.create)),
    ...several(workers.change, () => work('change', ledger, signal, changeSender(server.fhirBaseUrl, ledger))),
    ...several(workers.bundle, () => work('bundle', ledger, signal, http.bundle)),
    ...several(workers.mllpConnections, () => sendMessages(server.mllpPort, ledger, signal)),
    ...several(workers.mqttClients, () => publishReadings(server.mqttPort, ledger, signal)),
  ]);
}

/** What a careful sender does after a cut: everything not acknowledged once more, and some that was. */
export async function sendAgain(
  server: ServerProcess,
  numbers: Record<'message' | 'reading', number[]>,
): Promise<string[]> {
  const client = createMllpClient({ host: '127.0.0.1', port: server.mllpPort, timeoutMs });
  const publisher = await mqttPublisher(server.mqttPort);
  try {
    const [codes] = await Promise.all([
      Promise.all(
        numbers.message.map(async (number) =>
          acknowledgmentCode(await client.send(oruMessage(number)), `FAULT-${number}`),
        ),
      ),
      Promise.all(numbers.reading.map(publisher.publish)),
    ]);
    return codes;
  } finally {
    await client.close();
    await publisher.end();
  }
}
