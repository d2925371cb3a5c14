// All ways in for messages: the MLLP listeners, the HTTP endpoints and the folders of the configuration.
import { type AdminRoute, CerebraError, type Clock, type JsonSchema, type Log, type Metrics } from '#platform';
import type { Held } from '../mllp/input.ts';
import { createMllpServer, type MllpServer, type MllpServerOptions } from '../mllp/server.ts';
import type { WayIn } from '../own-ways.ts';
import type { HandleMessage, RefuseHead } from '../seams.ts';
import { createAddressList } from './addresses.ts';
import { defaultListener, type FileListenerConfig, type ListenerConfig, type MllpListenerConfig } from './config.ts';
import { createFileSource, type FileSource, type FileSourceStatus } from './file-source.ts';
import { createHl7Http, type Hl7Http } from './http.ts';
import { readTls, stateOfTls, type TlsWatch, watchTls } from './tls.ts';
import { type Traffic, trafficMetrics, type WayStatus } from './traffic.ts';

export interface TransportLimits {
  messageBytesMax: number;
  heldBytesMax: number;
  idleTimeoutMs: number;
  frameTimeoutMs: number;
  handshakeTimeoutMs: number;
  connectionsMax: number;
  waitingFramesMax: number;
  stopTimeoutMs: number;
  tlsCheckMs: number;
}

export interface ListenersOptions {
  /** MLLP_PORT. */
  host: string;
  port: number;
  listeners: readonly ListenerConfig[];
  limits: TransportLimits;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  handle: HandleMessage;
  refuse: RefuseHead;
}

export interface Listeners {
  /** Yields the ports by listener: 0 in the configuration is any free one. Throws `config` when one can't listen. */
  start(): Promise<ReadonlyMap<string, number>>;
  stop(): Promise<void>;
  http: Hl7Http;
  /** The MLLP listeners and drop folders. */
  ways(): WayIn[];
  readonly adminRoutes: AdminRoute[];
}

/** One way in. */
interface Way {
  name: string;
  /** Yields the port, where it has one. */
  start(): Promise<number | undefined>;
  stop(): Promise<void>;
  status(): WayStatus;
}

/** Throws CerebraError `config` for certificates that can't be used. */
export function createListeners(options: ListenersOptions): Listeners {
  const trafficOf = trafficMetrics(options.metrics, options.clock);
  const held: Held = { bytes: 0 };
  const { host, port, listeners } = options;
  const mllp: MllpListenerConfig[] = [{ kind: 'mllp', name: defaultListener, host, port }];
  mllp.push(...listeners.filter((one) => one.kind === 'mllp'));
  const endpoints = listeners.filter((one) => one.kind === 'http');
  const http = createHl7Http(endpoints, { ...options, trafficOf, messageBytesMax: options.limits.messageBytesMax });
  const folders = listeners
    .filter((one) => one.kind === 'file')
    .map((one) =>
      createFileSource(one, { ...options, ...fileLimits(one, options), traffic: trafficOf('file', one.name) }),
    );
  folderMetrics(options.metrics, folders);
  const ways = [
    ...mllp.map((one) => mllpWay(one, options, held, trafficOf('mllp', one.name))),
    ...folders.map(fileWay),
  ];
  const started: Way[] = [];
  const ports = new Map<string, number>();
  const stop = async (): Promise<void> => {
    await Promise.all(started.splice(0).map((way) => way.stop()));
  };
  return {
    async start() {
      try {
        for (const way of ways) {
          const taken = await way.start();
          started.push(way);
          if (taken !== undefined) ports.set(way.name, taken);
        }
      } catch (error) {
        await stop();
        throw error;
      }
      return ports;
    },
    stop,
    http,
    ways: () => [
      ...mllp.map(
        ({ name, host, port: wanted }): WayIn => ({ kind: 'mllp', name, host, port: ports.get(name) ?? wanted }),
      ),
      ...listeners.filter((one) => one.kind === 'file'),
    ],
    adminRoutes: [
      {
        method: 'GET',
        path: '/admin/hl7/listeners',
        summary: 'The ways in for HL7 messages, each with what went through it since the start',
        response: { schema: listenersSchema },
        handle: async () => ({
          status: 200,
          body: { listeners: [...ways.map((way) => way.status()), ...http.status()].map(shown) },
        }),
      },
    ],
  };
}

const counted = { type: 'integer', minimum: 0 };
const countedBy = (description: string): JsonSchema => ({ type: 'object', description, additionalProperties: counted });

const listenersSchema: JsonSchema = {
  type: 'object',
  required: ['listeners'],
  properties: {
    listeners: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'kind', 'frames'],
        properties: {
          name: { type: 'string' },
          kind: { enum: ['mllp', 'http', 'file'] },
          host: { type: 'string', description: 'Of MLLP, as port, tls and allow' },
          port: { type: 'integer' },
          tls: { enum: ['off', 'on', 'mutual'] },
          allow: {
            type: 'array',
            items: { type: 'string' },
            description: 'Addresses and ranges, where they are limited',
          },
          connections: { ...counted, description: 'Open now' },
          connectionsTotal: counted,
          connectionsRefused: countedBy('By reason: address, full, peer, rate, tls'),
          frames: countedBy('Messages by how they ended: whole, oversize, unterminated, crowded, cut'),
          garbageBytes: counted,
          lastMessageAt: { type: 'string', format: 'date-time' },
          folder: { type: 'string', description: 'The drop folder' },
          waiting: { ...counted, description: 'Files in a drop folder, the one in work included' },
          filesDone: counted,
          filesRefused: { ...counted, description: 'Moved to the folder error' },
          state: { enum: ['stopped', 'watching', 'reading', 'failing'], description: 'Of a drop folder' },
          fault: { type: 'string', description: 'Why nothing goes on in a drop folder' },
        },
      },
    },
  },
};

const shown = ({ lastMessageMs, ...status }: WayStatus): object => ({
  ...status,
  ...(lastMessageMs === undefined ? {} : { lastMessageAt: new Date(lastMessageMs).toISOString() }),
});

const fileLimits = ({ messageBytesMax }: FileListenerConfig, { limits }: ListenersOptions) => ({
  messageBytesMax: messageBytesMax ?? limits.messageBytesMax,
});

/** A folder that is not read any more has no sender who would notice. */
function folderMetrics(metrics: Metrics, folders: readonly FileSource[]): void {
  const observe = (name: string, help: string, value: (status: FileSourceStatus) => number): void =>
    metrics.observe(name, help, ['listener'], () =>
      folders.map((source): [Record<string, string>, number] => [{ listener: source.name }, value(source.status())]),
    );
  observe('cerebra_hl7_files_waiting', 'Files in drop folders, those in work included', ({ waiting }) => waiting);
  observe('cerebra_hl7_folder_failing', '1: a drop folder cannot be read for now', ({ state }) =>
    Number(state === 'failing'),
  );
}

const fileWay = (source: FileSource): Way => ({ ...source, start: async () => void (await source.start()) });

function mllpWay(config: MllpListenerConfig, options: ListenersOptions, held: Held, traffic: Traffic): Way {
  const { name, host, tls } = config;
  const { log, limits } = options;
  const known = tls && stateOfTls(tls);
  const server = createMllpServer(serverOptions(config, options, held, traffic));
  let watch: TlsWatch | undefined;
  let port: number | undefined;
  return {
    name,
    async start() {
      port = await listen(server, config);
      const watching = { everyMs: limits.tlsCheckMs, log, onChange: server.setTls, known };
      if (tls !== undefined) watch = watchTls(name, tls, watching);
      return port;
    },
    async stop() {
      watch?.stop();
      await server.stop();
    },
    status: () => ({
      ...{ name, kind: 'mllp' as const, host, port: port ?? config.port },
      tls: tls === undefined ? 'off' : tls.requestCert ? 'mutual' : 'on',
      ...(config.allow === undefined ? {} : { allow: config.allow }),
      ...traffic.counts(),
    }),
  };
}

function serverOptions(
  config: MllpListenerConfig,
  { limits, log, handle, refuse }: ListenersOptions,
  held: Held,
  traffic: Traffic,
): MllpServerOptions {
  const { name, host, port, tls, allow } = config;
  return {
    ...limits,
    ...{ name, host, port, log, handle, refuse, held, traffic },
    connectionsMax: config.connectionsMax ?? limits.connectionsMax,
    connectionsPerPeerMax: config.connectionsPerPeerMax,
    connectionsPerMinuteMax: config.connectionsPerMinuteMax,
    messageBytesMax: config.messageBytesMax ?? limits.messageBytesMax,
    idleTimeoutMs: config.idleTimeoutMs ?? limits.idleTimeoutMs,
    frameTimeoutMs: config.frameTimeoutMs ?? limits.frameTimeoutMs,
    handshakeTimeoutMs: config.handshakeTimeoutMs ?? limits.handshakeTimeoutMs,
    allow: allow === undefined ? undefined : createAddressList(allow),
    tls: tls === undefined ? undefined : { context: readTls(name, tls), requestCert: tls.requestCert },
  };
}

/** The error of the default listener is told with MLLP_PORT; of another one the name has to be told here. */
async function listen(server: MllpServer, { name, host, port }: MllpListenerConfig): Promise<number> {
  try {
    return (await server.start()).port;
  } catch (error) {
    if (name === defaultListener) throw error;
    const reason = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'it is in use' : (error as Error).message;
    throw new CerebraError('config', `HL7_LISTENERS: listener '${name}' cannot listen on ${host}:${port}: ${reason}`);
  }
}
