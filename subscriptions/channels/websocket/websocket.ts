// The websocket channel: https://hl7.org/fhir/R4/subscription.html#websocket. A client binds the ids of Subscriptions and is
// pinged for each event; it then looks for itself. Nothing waits for a socket: events are numbered and told like those
// of any channel, and to whom nobody listens they count as told. A client that was away is pinged when it binds again.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { AccessScope, ResourceReader, XmlCodec } from '#fhir-model';
import { type Clock, createLoop, type Db, type Log, type Statement } from '#platform';
import type { SubscriptionMetrics } from '../../metrics.ts';
import type { Notifications } from '../notification/notifications.ts';
import { bindingProblem, type CommandOptions, createCommands } from './commands.ts';
import { type Binding, type Connection, createConnection } from './connection.ts';
import { createOpenSockets } from './open-sockets.ts';
import { createSeen } from './seen.ts';
import { type BoundSubscriber, createTopicEvents, type TopicEvents } from './topic-events.ts';

export interface WebSocketLimits {
  connectionsMax: number;
  /** Subscriptions that one connection may bind. */
  bindingsMax: number;
  heartbeatMs: number;
  idleMs: number;
  unreadBytesMax: number;
  commandsMax: number;
  commandBytesMax: number;
  /** How often it is asked what other servers have told, and which Subscriptions have ended. */
  pollMs: number;
  stopGraceMs: number;
}

export const defaultWebSocketLimits: WebSocketLimits = {
  connectionsMax: 10_000,
  bindingsMax: 100,
  heartbeatMs: 30_000,
  idleMs: 60_000,
  unreadBytesMax: 64 * 1024,
  commandsMax: 200,
  commandBytesMax: 1024,
  pollMs: 1_000,
  stopGraceMs: 1_000,
};

/** What of the request for an upgrade is needed; the same as node's, or its copy from another process. */
export type UpgradeRequest = Pick<IncomingMessage, 'method' | 'url' | 'headers'>;

export interface WebSockets {
  /** Answers a request to upgrade, and takes the connection over. */
  upgrade(request: UpgradeRequest, socket: Duplex, head: Buffer): void;
  /** Tells whoever listens of an event. */
  notify(id: string, number: bigint): void;
  start(): void;
  /** Closes all connections and takes no more. */
  close(): Promise<void>;
  stop(): Promise<void>;
}

export interface WebSocketsOptions {
  db: Db;
  notifications: Notifications;
  xml: XmlCodec;
  clock: Clock;
  reader: ResourceReader;
  /** What a client may see: whose Subscription that is not is told as if there were none. */
  scope: AccessScope;
  limits: WebSocketLimits;
  metrics: SubscriptionMetrics;
  log: Log;
}

const ended: Statement = {
  name: 'websocket_poll',
  text: `select s.id, s.done_number as done, (s.state in ('off', 'error', 'deleted') or s.channel <> 'websocket') as over,
      s.state, s.version, s.topic, s.payload
    from unnest($1::text[], $2::bigint[], $3::int[]) as b (id, told, version) join subscriber s on s.id = b.id
    where s.done_number > b.told or s.state in ('off', 'error', 'deleted') or s.channel <> 'websocket'
      or (s.state = 'active' and s.version > b.version)`,
};

interface Polled extends Pick<BoundSubscriber, 'state' | 'version' | 'topic' | 'payload'> {
  id: string;
  done: bigint;
  over: boolean;
}

export function createWebSockets(options: WebSocketsOptions): WebSockets {
  const { db, limits, log, metrics } = options;
  const server = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: limits.commandBytesMax },
  });
  const connections = createOpenSockets<Connection>(limits.connectionsMax);
  const bound: CommandOptions['bound'] = new Map();
  const seen = createSeen(db, log);
  const topics = createTopicEvents(options);

  const unbind = (connection: Connection, binding: Binding) => {
    connection.bindings.delete(binding.id);
    const listeners = bound.get(binding.id);
    listeners?.delete(connection);
    if (listeners?.size === 0) bound.delete(binding.id);
    // Which of several clients has read what can't be told when they come back: then each is pinged.
    if (binding.bound && !binding.shared) seen.remember(binding.id, binding.confirmed);
  };
  const onClosed = (connection: Connection) => {
    connections.delete(connection);
    metrics.sockets.set(connections.size);
    for (const binding of [...connection.bindings.values()]) unbind(connection, binding);
  };
  const parts = { ...options, bound, seen, topics, unbind };
  const command = createCommands(parts);
  const accept = (socket: WebSocket) => {
    connections.add(createConnection({ socket, limits, command, closed: onClosed }));
    metrics.sockets.set(connections.size);
  };
  const poll = createLoop({
    work: () => pollOnce(parts),
    onError: (err) => log.warn({ err }, 'web sockets could not be brought up to date'),
    ...{ idleMsMin: limits.pollMs, idleMsMax: limits.pollMs, errorMs: limits.pollMs },
  });
  const close = () => connections.close(limits.stopGraceMs);
  let lookTimer: NodeJS.Timeout | undefined;
  return {
    upgrade(request, socket, head) {
      if (connections.refuses(socket)) return;
      server.handleUpgrade(request as IncomingMessage, socket, head, accept);
    },
    notify(id, number) {
      for (const [connection, binding] of bound.get(id) ?? []) tell(topics, connection, binding, number);
    },
    start() {
      connections.reopen();
      seen.start();
      poll.start();
      const everyMs = Math.min(limits.heartbeatMs, limits.idleMs) / 2;
      lookTimer = setInterval(() => {
        const nowMs = performance.now();
        for (const connection of connections) connection.look(nowMs);
      }, everyMs);
    },
    close,
    async stop() {
      await close();
      clearInterval(lookTimer);
      await poll.stop();
      await seen.stop();
    },
  };
}

function tell(topics: TopicEvents, connection: Connection, binding: Binding, number: bigint): void {
  if (binding.topic) {
    if (number > binding.topic.target) binding.topic.target = number;
    topics.tell(connection, binding);
    return;
  }
  if (number <= binding.sent) return;
  binding.sent = number;
  if (!binding.bound) return;
  connection.say(`ping ${binding.id}`);
  connection.probe();
}

/** What has been told to all of them, and since which version of the Subscription. */
function leastOf(bindings: Iterable<Binding>): { sent: bigint; version: number } {
  let least: { sent: bigint; version: number } | undefined;
  for (const { sent, version } of bindings) {
    least ??= { sent, version };
    if (sent < least.sent) least.sent = sent;
    if (version < least.version) least.version = version;
  }
  return least ?? { sent: 0n, version: 0 };
}

/** Makes the binding one of the Subscription as it has been changed: yields why that can't be. */
function follow(binding: Binding, { state, version, topic, payload }: Polled): string | undefined {
  if (state !== 'active' || version <= binding.version || !binding.bound) return undefined;
  if ((binding.topic === undefined) !== (topic === null)) return 'It was changed: bind it again';
  binding.version = version;
  if (binding.topic && topic) Object.assign(binding.topic, { topic, payload });
  return undefined;
}

async function pollOnce({ db, reader, scope, bound, seen, topics, unbind }: CommandOptions): Promise<false> {
  if (bound.size === 0) return false;
  const nowMs = performance.now();
  const least = [...bound].map(([id, listeners]) => {
    for (const [connection, binding] of listeners) {
      topics.beat(connection, binding, nowMs);
      // A server that is killed would else have all told again that there was since the client came.
      if (!binding.topic || binding.shared || binding.confirmed <= binding.topic.remembered) continue;
      seen.remember(id, binding.confirmed);
      binding.topic.remembered = binding.confirmed;
    }
    return { id, ...leastOf(listeners.values()) };
  });
  const values = [least.map(({ id }) => id), least.map(({ sent }) => sent), least.map(({ version }) => version)];
  for (const row of await db.query<Polled>(ended, values)) {
    const { id, done, over } = row;
    const ending = over ? await bindingProblem(reader, scope, id) : undefined;
    for (const [connection, binding] of [...(bound.get(id) ?? [])]) {
      const change = ending === undefined ? follow(binding, row) : undefined;
      if (done > 0n && change === undefined) tell(topics, connection, binding, done);
      const problem = ending ?? change;
      // Whoever is being bound at this moment is told by that, once.
      if (problem === undefined || !binding.bound) continue;
      connection.say(`error ${id} ${problem}`);
      unbind(connection, binding);
    }
  }
  return false;
}
