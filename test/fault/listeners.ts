// Subscribers that write down what they are told, and the comparison of it with an independent reading of the store.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import type { JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { type Received, type Receiver, startReceiver, waitFor } from '#platform/testing';
import { createClient } from '../client.ts';
import type { ServerProcess } from './server-process.ts';

const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';
export const eventSystem = 'urn:example:fault:event';

/** An event as its subscriber was told of it. */
export interface Told {
  number: number;
  id: string;
  version: number;
}

export interface Listener {
  /** Id of the Subscription. */
  id: string;
  /**
   * To the topic of new results, which tells the very version, and of a repeated write only when it is a correction. Criteria tell
   * of every version, and show the newest that still meets them.
   */
  ofTopic: boolean;
  /** In the order of arrival, repetitions included. */
  told(): Told[];
}

export interface HookListener extends Listener {
  receiver: Receiver;
}

export interface Asked {
  id: string;
  /** Events in one notification; of Subscriptions to topics. */
  maxCount?: number;
  /** Without it the Subscription is one with R4 criteria. */
  topic?: string;
  /** Of R4 criteria. */
  code?: string;
}

function subscriptionOf({ id, topic, maxCount, code }: Asked, type: string, endpoint?: string): JsonObject {
  const about = { resourceType: 'Subscription', id, status: 'requested', reason: 'to see what is told' };
  const channel = { type, ...(endpoint === undefined ? {} : { endpoint }) };
  if (!topic) {
    const payload = type === 'websocket' ? {} : { payload: 'application/fhir+json' };
    return { ...about, criteria: `Observation?code=${eventSystem}|${code}`, channel: { ...channel, ...payload } };
  }
  return {
    ...about,
    criteria: topic,
    channel: {
      ...{ ...channel, payload: 'application/fhir+json' },
      _payload: { extension: [{ url: `${guide}/backport-payload-content`, valueCode: 'id-only' }] },
      extension: [{ url: `${guide}/backport-max-count`, valuePositiveInt: maxCount ?? 1 }],
    },
  };
}

async function activate(server: ServerProcess, subscription: JsonObject): Promise<void> {
  const client = createClient(server.fhirBaseUrl);
  const path = `Subscription/${String(subscription.id)}`;
  const reply = await client('PUT', path, subscription);
  assert.equal(reply.status, 201, reply.text);
  await waitFor(async () => (await client('GET', path)).json.status === 'active', `${path} to be active`);
}

/** A rest-hook's. Its receiver outlives the servers. */
export async function hookListener(t: TestContext, server: ServerProcess, asked: Asked): Promise<HookListener> {
  const receiver = await startReceiver(t);
  await activate(server, subscriptionOf(asked, 'rest-hook', receiver.url));
  const read = asked.topic ? toldByHook : toldByCriteria;
  return { id: asked.id, receiver, ofTopic: Boolean(asked.topic), told: () => receiver.received.flatMap(read) };
}

/** A web socket's, bound with a token, that comes back whenever it is cut. `server`: the one that runs now. */
export async function socketListener(
  t: TestContext,
  server: () => ServerProcess,
  asked: Asked & { topic: string },
): Promise<Listener> {
  await activate(server(), subscriptionOf(asked, 'websocket'));
  const heard: string[] = [];
  let left = false;
  let socket: WebSocket | undefined;
  const listen = async (): Promise<void> => {
    while (!left) {
      const token = await tokenOf(server(), asked.id).catch(() => undefined);
      if (token === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      socket = new WebSocket(`${server().fhirBaseUrl.replace('http', 'ws')}/ws`);
      const closed = new Promise((resolve) => socket!.on('close', resolve));
      socket.on('error', () => {}).on('open', () => socket!.send(`bind-with-token ${token}`));
      socket.on('message', (data) => heard.push(String(data)));
      if (left) socket.terminate();
      await closed;
    }
  };
  const listening = listen();
  t.after(() => {
    left = true;
    socket?.terminate();
    return listening;
  });
  return { id: asked.id, ofTopic: true, told: () => heard.flatMap((text) => toldBy(JSON.parse(text))) };
}

async function tokenOf({ fhirBaseUrl }: ServerProcess, id: string): Promise<string> {
  const { json } = await createClient(fhirBaseUrl)('GET', `Subscription/${id}/$get-ws-binding-token`);
  return (json.parameter as unknown as Part[]).find(({ name }) => name === 'token')!.valueString!;
}

function toldByCriteria({ body, number }: Received): Told[] {
  const { id, meta } = JSON.parse(body) as Resource & { meta: { versionId: string } };
  return [{ number, id: id!, version: Number(meta.versionId) }];
}

const toldByHook = ({ body }: Received): Told[] => toldBy(JSON.parse(body));

interface Part {
  name: string;
  valueString?: string;
  valueReference?: { reference: string };
  part?: Part[];
}

interface Notification {
  entry: { fullUrl: string; resource?: { parameter: Part[] }; response: { etag?: string } }[];
}

/** The events of a notification, each with the version that its entry has; none of a handshake. */
function toldBy({ entry: [status, ...entries] }: Notification): Told[] {
  const part = (parts: Part[], name: string) => parts.find((one) => one.name === name)!;
  return status!
    .resource!.parameter.filter(({ name }) => name === 'notification-event')
    .map(({ part: parts }) => {
      const focus = part(parts!, 'focus').valueReference!.reference;
      const at = entries.findIndex(({ fullUrl }) => fullUrl === focus);
      const [entry] = entries.splice(at, 1);
      const version = Number(/^W\/"(\d+)"$/.exec(entry!.response.etag!)![1]);
      return { number: Number(part(parts!, 'event-number').valueString), id: focus.split('/').at(-1)!, version };
    });
}

/** Versions of Observations with the code that are events, in the order of the change stream, read past the server. */
async function storedEvents(db: Db, code: string, { ofTopic }: Listener): Promise<{ id: string; version: number }[]> {
  return db.query({
    text: `select v.id, v.version from
        (select type, id, version, seq, body from resource union all
          select type, id, version, seq, body from resource_history) v
      join change c on (c.type, c.id, c.version, c.seq) = (v.type, v.id, v.version, v.seq)
      where c.op <> 'd' and v.body like '{"resourceType":"Observation"%'
        and v.body::jsonb @> jsonb_build_object('code', jsonb_build_object('coding',
          jsonb_build_array(jsonb_build_object('system', '${eventSystem}', 'code', '${code}'))))
        and (not ${ofTopic} or v.version = 1 or v.body::jsonb ->> 'status' = 'corrected')
      order by c.xid, c.seq`,
  });
}

/**
 * Waits until the listener was told of everything that is stored with the code; then its numbers are 1, 2, 3 … in the order in
 * which they first came, each number is one event, and event n is change n of the stream.
 */
export async function checkListener(db: Db, listener: Listener, code: string): Promise<void> {
  const stored = await storedEvents(db, code, listener);
  const wanted = stored.length;
  assert.ok(wanted > 0);
  const { id } = listener;
  await waitFor(
    () => new Set(listener.told().map(({ number }) => number)).size >= wanted,
    `${id} to be told of ${wanted} events`,
  );
  const told = listener.told();
  const first = new Map(told.toReversed().map((one) => [one.number, one]));
  const numbers = [...new Set(told.map(({ number }) => number))];
  assert.deepEqual(
    numbers,
    stored.map((_, index) => index + 1),
    `first occurrences of the numbers of ${id}`,
  );
  for (const one of told) {
    const event = stored[one.number - 1]!;
    assert.equal(one.id, event.id, `event ${one.number} of ${id}`);
    assert.ok(listener.ofTopic ? one.version === event.version : one.version >= event.version);
  }
  assert.equal(first.size, wanted);
  await checkRows(db, id, wanted);
}

/** What the server says it has told. The last answer may be under way. */
async function checkRows(db: Db, id: string, wanted: number): Promise<void> {
  const read = async () =>
    (
      await db.query<{ rows: number; last: number; done: number }>(
        {
          text: `select (select count(*)::int from delivery where subscriber = $1) as rows,
            last_number::int as last, done_number::int as done from subscriber where id = $1`,
        },
        [id],
      )
    )[0]!;
  await waitFor(async () => (await read()).done >= wanted, `the end of delivery ${wanted} of ${id}`);
  assert.deepEqual(await read(), { rows: wanted, last: wanted, done: wanted });
}

export interface Writing {
  code: string;
  from: number;
  to: number;
  /** Called after each acknowledgement with how many there were. */
  onWrite?: (done: number) => void;
}

/**
 * Puts Observations w-from … w-(to-1), six at a time, and each fifth twice; what is not acknowledged is put again. `server`: the
 * one that runs now.
 */
export async function writeEvents(server: () => ServerProcess, { code, from, to, onWrite }: Writing): Promise<void> {
  let next = from;
  let done = 0;
  const one = async (): Promise<void> => {
    while (next < to) {
      const number = next++;
      await put(server, code, number, 'final');
      if (number % 5 === 0) await put(server, code, number, 'corrected');
      onWrite?.(++done);
    }
  };
  await Promise.all(Array.from({ length: 6 }, one));
}

async function put(server: () => ServerProcess, code: string, number: number, status: string): Promise<void> {
  const id = `${code}-${number}`;
  const coding = [{ system: eventSystem, code }];
  await waitFor(async () => {
    const client = createClient(server().fhirBaseUrl);
    const reply = await client('PUT', `Observation/${id}`, {
      ...{ resourceType: 'Observation', id, status },
      code: { coding },
    });
    return reply.status < 300;
  }, `${id} to be acknowledged`);
}
