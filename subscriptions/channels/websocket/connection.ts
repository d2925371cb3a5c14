// One web socket: what it says, whether it still listens, how much of what it was told it has read.
// https://www.rfc-editor.org/rfc/rfc6455
import type { RawData, WebSocket } from 'ws';
import type { AccessScope } from '#fhir-model';
import type { TopicRegistration } from '../../registration.ts';
import { type Closeable, closeCodes } from './open-sockets.ts';

/** One Subscription that one socket is told of. */
export interface Binding {
  id: string;
  /** Whether the client has been told that it is bound; what comes before is told then. */
  bound: boolean;
  /** Number of the newest event that the client was pinged for. */
  sent: bigint;
  /** The same, as far as the client has answered since: it has read that ping. */
  confirmed: bigint;
  /** Another socket was bound to the same Subscription meanwhile. */
  shared: boolean;
  /** Of the Subscription as it was when the rest was read from it. */
  version: number;
  /** Of a Subscription to a topic: it is sent notifications in place of pings. */
  topic?: TopicBinding;
}

export interface TopicBinding {
  topic: TopicRegistration;
  /** Media type of the notifications. */
  payload: string;
  /** Of who asked for the token. */
  scope: AccessScope;
  /** Number of the newest event there is to tell. */
  target: bigint;
  /** What was written down of `confirmed`. */
  remembered: bigint;
  /** Notifications are being sent. */
  isTelling: boolean;
  /** When the last one was sent, by performance.now(). */
  toldMs: number;
}

export interface Connection extends Closeable {
  /** By Subscription.id */
  bindings: Map<string, Binding>;
  /** Says something; cuts a client that does not read. */
  say(text: string): void;
  /**
   * Sends what `make` yields, one such text after the other, each when the one before is on its way: however many are to be told,
   * a slow client costs the memory of one. False when it could not be sent.
   */
  send(make: () => Promise<string>): Promise<boolean>;
  isOpen(): boolean;
  /** Asks for a sign that all was read, unless one is being waited for. */
  probe(): void;
  /** Cuts it when it did not answer since the last look, or has bound nothing for too long. */
  look(nowMs: number): void;
}

export interface ConnectionLimits {
  /** Unread bytes kept for a client; more, and it is cut. */
  unreadBytesMax: number;
  /** Commands of a client that wait for their answer; more, and it is cut. */
  commandsMax: number;
  /** A client that does not answer a ping frame for so long is cut. */
  heartbeatMs: number;
  /** One that has nothing bound for so long is closed. */
  idleMs: number;
}

export interface ConnectionOptions {
  socket: WebSocket;
  limits: ConnectionLimits;
  /** Carries out one command; they come one after the other. Must not throw. */
  command(connection: Connection, text: string): Promise<void>;
  closed(connection: Connection): void;
}

export function createConnection({ socket, limits, command, closed }: ConnectionOptions): Connection {
  const bindings = new Map<string, Binding>();
  let waiting = 0;
  let turn = Promise.resolve();
  /** What was sent before the ping frame that is under way. */
  let probed: [Binding, bigint][] | undefined;
  let probedMs = 0;
  let idleSinceMs = performance.now();
  let sending = Promise.resolve(false);
  let sendingBytes = 0;
  const send = async (make: () => Promise<string>): Promise<boolean> => {
    if (socket.readyState !== socket.OPEN) return false;
    const text = await make();
    sendingBytes = Buffer.byteLength(text);
    const isSent = await new Promise<boolean>((resolve) => socket.send(text, (error) => resolve(!error)));
    sendingBytes = 0;
    return isSent;
  };

  const connection: Connection = {
    bindings,
    say(text) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount - sendingBytes > limits.unreadBytesMax) return socket.terminate();
      socket.send(text, ignore);
    },
    send(make) {
      const sent = sending.then(() => send(make));
      sending = sent.catch(() => false);
      return sent;
    },
    isOpen: () => socket.readyState === socket.OPEN,
    probe() {
      if (probed || socket.readyState !== socket.OPEN) return;
      probed = [...bindings.values()].map((binding) => [binding, binding.sent]);
      probedMs = performance.now();
      socket.ping('', undefined, ignore);
    },
    look(nowMs) {
      if (probed && nowMs - probedMs >= limits.heartbeatMs) return socket.terminate();
      if (bindings.size > 0) idleSinceMs = nowMs;
      else if (nowMs - idleSinceMs >= limits.idleMs) return socket.close(closeCodes.policy, 'Nothing was bound');
      connection.probe();
    },
    close: (code, reason) => socket.close(code, reason),
    cut: () => socket.terminate(),
  };
  const onPong = () => {
    const read = probed ?? [];
    probed = undefined;
    for (const [binding, sent] of read) if (sent > binding.confirmed) binding.confirmed = sent;
    if ([...bindings.values()].some(({ sent, confirmed }) => sent > confirmed)) connection.probe();
  };
  const onMessage = (data: RawData, isBinary: boolean) => {
    if (isBinary) return socket.close(closeCodes.unsupported, 'Commands are text');
    if (waiting >= limits.commandsMax) return socket.close(closeCodes.policy, 'Too many commands at once');
    waiting++;
    turn = turn.then(() => command(connection, String(data))).finally(() => waiting--);
  };
  socket.on('message', onMessage);
  socket.on('pong', onPong);
  socket.on('error', ignore);
  socket.on('close', () => closed(connection));
  return connection;
}

/** A socket that fails also closes, and that is heard. */
const ignore = (): void => {};
