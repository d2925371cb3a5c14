// The MQTT broker inside this process: aedes, for MQTT 3.1, 3.1.1 and (translated) 5.
import { timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import { CerebraError, type Log } from '#platform';
import { brokerConnection } from './connection.ts';
import type { MqttMetrics } from './metrics.ts';
import { isReadingsTopic } from './topic.ts';

export interface Credentials {
  username: string;
  password: string;
}

export interface Broker {
  /** Yields the port, when the broker is embedded. */
  start(): Promise<number | undefined>;
  /** Lets no more readings in; those under way can still be acknowledged. */
  stopIntake(): void;
  close(): Promise<void>;
  connected(): boolean;
}

export interface EmbeddedBrokerOptions {
  host: string;
  port: number;
  credentials?: Credentials | undefined;
  packetBytesMax: number;
  connectionsMax: number;
  inFlightMax: number;
  log: Log;
  metrics: MqttMetrics;
  /** Resolves when the message may be acknowledged; a rejection means it never may. */
  accept(topic: string, payload: Buffer): Promise<unknown>;
}

/**
 * Readings are taken in `authorizePublish`: the one hook aedes runs before it sends PUBACK (QoS 1) or PUBREC (QoS 2), so
 * holding its callback holds the acknowledgement. `published` and subscriptions come after PUBACK. aedes reads on from a
 * client only when all its packets are dealt with, so a slow database slows the publishers down.
 * Everything else passes as at any broker; readings too, to whoever subscribes to them.
 */
export function createEmbeddedBroker(options: EmbeddedBrokerOptions): Broker {
  const { host, port, log, metrics, accept } = options;
  let taking = true;
  let aedes: Aedes | undefined;
  let server: Server | undefined;
  const sockets = new Set<Socket>();

  const authorizePublish = (
    _client: Client | null,
    packet: PublishPacket,
    done: (error?: Error | null) => void,
  ): void => {
    if (packet.topic.startsWith('$SYS/')) done(new Error('$SYS topics are the broker’s own'));
    else if (!isReadingsTopic(packet.topic)) done();
    else if (taking)
      take(packet).then(
        () => done(),
        () => undefined,
      );
  };

  const take = async ({ topic, payload, qos }: PublishPacket): Promise<void> => {
    metrics.messages.inc({ qos });
    await accept(topic, typeof payload === 'string' ? Buffer.from(payload) : payload);
  };

  const onConnection = (socket: Socket): void => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    const refused = (reason: string) => metrics.refused.inc({ reason });
    aedes!.handle(brokerConnection(socket, { ...options, refused }));
  };

  return {
    async start() {
      aedes = new Aedes({ authorizePublish, authenticate: authenticator(options.credentials) });
      aedes.on('client', () => metrics.clients.inc());
      aedes.on('clientDisconnect', () => metrics.clients.dec());
      aedes.on('clientError', (_client, error) => log.debug({ err: error }, 'MQTT client ended by an error'));
      aedes.on('connectionError', (_client, error) => log.debug({ err: error }, 'MQTT connection refused'));
      await aedes.listen();
      server = createServer(onConnection);
      server.maxConnections = options.connectionsMax;
      const taken = await listen(server, host, port);
      metrics.connected.set(1);
      return taken;
    },
    stopIntake() {
      taking = false;
      server?.close();
    },
    async close() {
      metrics.connected.set(0);
      await endAll(sockets);
      const ended = new Promise<void>((resolve) => (server?.listening ? server.close(() => resolve()) : resolve()));
      await new Promise<void>((resolve) => (aedes ? aedes.close(() => resolve()) : resolve()));
      await ended;
    },
    connected: () => server?.listening === true,
  };
}

const endTimeoutMs = 1_000;

/** Sends what is written, the last acknowledgements above all, before the connections end. */
async function endAll(sockets: Set<Socket>): Promise<void> {
  // aedes uncorks a packet's bytes on the next tick.
  await new Promise(setImmediate);
  const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve).end()));
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, endTimeoutMs);
  await Promise.all(closed);
  clearTimeout(timer);
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new CerebraError('config', `The MQTT port ${port} on ${host} cannot be opened`, { cause })),
    );
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

const badUsernameOrPassword = 4;

function authenticator(credentials: Credentials | undefined) {
  return (
    _client: Client,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void => {
    if (credentials === undefined || matches(credentials, username, password)) done(null, true);
    else done(Object.assign(new Error('bad user name or password'), { returnCode: badUsernameOrPassword }), false);
  };
}

/** Both are compared, so that the time taken does not tell which was wrong. */
function matches(credentials: Credentials, username = '', password: Buffer = Buffer.alloc(0)): boolean {
  const nameMatches = sameText(Buffer.from(username), credentials.username);
  const passwordMatches = sameText(password, credentials.password);
  return nameMatches && passwordMatches;
}

function sameText(given: Buffer, expected: string): boolean {
  const wanted = Buffer.from(expected);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
