// For tests of this folder: a store in memory behind the real ports, and a connector on the real dead-letter table.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectSocket, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { ChangeFeed, JsonObject, Resource, ResourceReader, ResourceWriter, StoredVersion } from '#fhir-model';
import { CerebraError, type Clock, connectDb, createMetrics, type Db, type Metrics } from '#platform';
import { emptyConnection, testLog } from '#platform/testing';
import { type Connector, createMqttConnector, type MqttConnectorOptions } from './index.ts';

export interface MemoryStore {
  reader: ResourceReader;
  writer: ResourceWriter;
  feed: Pick<ChangeFeed, 'bodies'>;
  /** `updatedMs`: when it was written; without it long ago. */
  put(resource: Resource & { id: string }, updatedMs?: number): void;
  all(type: string): Resource[];
  /** Sizes of the batches that were committed. */
  batches: number[];
  /** Called before each write; what it throws or awaits, the writer does. */
  beforeWrite: (resources: Resource[]) => Promise<void> | void;
  beforeRead: () => void;
  reads: number;
}

/** Reads by id, searches by `_id` and `identifier`: what the connector uses. */
function memoryStore(): MemoryStore {
  const versions = new Map<string, StoredVersion>();
  const texts = new Map<string, string>();
  const put = (resource: Resource & { id: string }, updatedMs = 0): void => {
    const key = `${resource.resourceType}/${resource.id}`;
    const version = (versions.get(key)?.version ?? 0) + 1;
    const lastUpdated = new Date(updatedMs).toISOString();
    const body = JSON.stringify(updatedMs > 0 ? { ...resource, meta: { lastUpdated } } : resource);
    texts.set(`${key}/${version}`, body);
    versions.set(key, { type: resource.resourceType, id: resource.id, version, updatedMs, body, deleted: false });
  };
  const ofType = (type: string) => [...versions.values()].filter((version) => version.type === type);
  const store: MemoryStore = {
    put,
    feed: {
      bodies: async (_db, keys) => keys.map(({ type, id, version }) => texts.get(`${type}/${id}/${version}`) ?? ''),
    },
    all: (type) => ofType(type).map(({ body }) => JSON.parse(body) as Resource),
    batches: [],
    beforeWrite: () => undefined,
    beforeRead: () => undefined,
    reads: 0,
    reader: {
      async read(type, id) {
        store.reads++;
        store.beforeRead();
        return versions.get(`${type}/${id}`);
      },
      async search(type, query) {
        store.beforeRead();
        const parameters = new URLSearchParams(query);
        const ids = parameters.get('_id')?.split(',');
        const resources = ids
          ? ids.flatMap((id) => versions.get(`${type}/${id}`) ?? [])
          : ofType(type).filter((version) => hasIdentifier(version, parameters.get('identifier')!));
        return { resources: resources.slice(0, Number(parameters.get('_count'))), included: [] };
      },
    },
    writer: {
      transaction: async () => Promise.reject(new Error('not used by the connector')),
      async createIfAbsent(resources) {
        await store.beforeWrite(resources);
        await new Promise(setImmediate);
        store.batches.push(resources.length);
        return resources.map((resource) => {
          if (versions.has(`${resource.resourceType}/${resource.id}`)) return false;
          put(resource);
          return true;
        });
      },
    },
  };
  return store;
}

function hasIdentifier({ body }: StoredVersion, token: string): boolean {
  const { identifier = [] } = JSON.parse(body) as { identifier?: JsonObject[] };
  const bar = token.search(/(?<!\\)\|/);
  const plain = (text: string) => text.replace(/\\(.)/g, '$1');
  return identifier.some(
    ({ system, value }) => value === plain(token.slice(bar + 1)) && (bar < 0 || system === plain(token.slice(0, bar))),
  );
}

const migration = new URL('../../migrations/0003_device_dead_letter.sql', import.meta.url);

/** A database with the connector's own table only: the other rooms' tables are none of its business. */
export async function deadLetterDatabase(t: TestContext): Promise<Db> {
  const db = connectDb({ ...(await emptyConnection(t)), poolMax: 4, log: testLog() });
  t.after(() => db.close());
  await db.query({ text: await readFile(migration, 'utf8') });
  return db;
}

export const nowMs = Date.UTC(2026, 0, 31, 12);

export interface Setup {
  store: MemoryStore;
  db: Db;
  metrics: Metrics;
  connector: Connector;
  clock: Clock & { ms: number };
  /** Of the embedded broker. */
  url: string;
  port: number;
}

/** A started connector with Device/pump-1 of Patient/p1, stopped after the test. */
export async function setUp(t: TestContext, options: Partial<MqttConnectorOptions> = {}): Promise<Setup> {
  const store = memoryStore();
  store.put(device('pump-1', 'p1'));
  const db = options.db ?? (await deadLetterDatabase(t));
  const metrics = createMetrics();
  const clock = { ms: nowMs, now: () => clock.ms };
  const { reader, writer } = store;
  const scope = { kind: 'everything' } as const;
  const log = testLog();
  const connector = createMqttConnector({
    reader,
    writer,
    feed: store.feed,
    scope,
    log,
    metrics,
    clock,
    host: '127.0.0.1',
    port: 0,
    ...options,
    db,
  });
  t.after(() => connector.stop());
  const { port = 0 } = await connector.start();
  return { store, db, metrics, connector, clock, port, url: `mqtt://127.0.0.1:${port}` };
}

export function device(id: string, patient?: string, more: JsonObject = {}): Resource & { id: string } {
  const subject = patient === undefined ? {} : { patient: { reference: `Patient/${patient}` } };
  return { resourceType: 'Device', id, ...subject, ...more };
}

/** A connected client, ended after the test. */
export async function mqttClient(t: TestContext, url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = mqtt.connect(url, { reconnectPeriod: 0, ...options });
  t.after(() => void client.end(true));
  await happened(client, 'connect');
  return client;
}

/** The first argument of the client's next `name` event; rejects when an error comes before. */
export function happened(client: MqttClient, name: 'connect' | 'close'): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client.once(name, resolve as () => void);
    client.once('error', reject);
  });
}

/** A plain connection, for what no client would send. */
export async function rawSocket(t: TestContext, port: number): Promise<Socket> {
  const socket = connectSocket(port, '127.0.0.1');
  socket.on('error', () => undefined);
  t.after(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

export function heartRate(value: number, second = 0, more: JsonObject = {}): JsonObject {
  return { time: timeOf(second), metric: 'heart-rate', value, unit: 'bpm', ...more };
}

/** An instant `second` seconds after 08:00. */
export function timeOf(second: number): string {
  return new Date(Date.UTC(2026, 0, 31, 8) + second * 1000).toISOString();
}

export async function readingsOutcome(metrics: Metrics, outcome: string): Promise<number> {
  const metric = await metrics.registry.getSingleMetric('cerebra_mqtt_readings_total')!.get();
  return metric.values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
}

interface DeadLetterItem {
  id: string;
  topic: string;
  reason: string;
  diagnostics: string;
  faults: unknown[];
  faultCount: number;
  seen: number;
  receivedAt: string;
  payloadBytes: number;
  payloadStart: string;
}

/** Whatever a route answers with. */
export interface AdminBody {
  total: number;
  items: DeadLetterItem[];
  next?: string;
  payloadBase64: string;
}

/** Calls an admin route by its path as registered. */
export async function admin(
  connector: Connector,
  method: 'GET' | 'POST',
  path: string,
  params: Record<string, string> = {},
  query = '',
): Promise<{ status: number; body: AdminBody }> {
  const route = connector.adminRoutes.find((candidate) => candidate.method === method && candidate.path === path);
  if (!route) throw new CerebraError('not-found', path);
  const { status, body } = await route.handle({ params, query: new URLSearchParams(query), body: Buffer.alloc(0) });
  return { status, body: body as AdminBody };
}

export const topic = 'devices/pump-1/readings';
export const deadLettersPath = '/admin/mqtt/dead-letters';

/** What stands in the dead-letter table, by id. */
export async function reasons({ connector }: Setup): Promise<[topic: string, reason: string, diagnostics: string][]> {
  const { body } = await admin(connector, 'GET', deadLettersPath);
  return body.items.map((item) => [item.topic, item.reason, item.diagnostics]);
}
