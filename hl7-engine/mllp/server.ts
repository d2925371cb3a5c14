// The MLLP server: HL7 MLLP R2, over TCP or TLS (IHE ATNA: https://profiles.ihe.net/ITI/TF/Volume2/ITI-19.html).
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import type { Source } from '../seams.ts';
import { plainAddress } from '../transport/addresses.ts';
import type { ConnectionRefusal } from '../transport/traffic.ts';
import { type Connection, type ConnectionOptions, serveConnection } from './connection.ts';
import { createGate, type GateOptions } from './gate.ts';
import type { Held } from './input.ts';

export interface MllpServerOptions extends ConnectionOptions, Omit<GateOptions, 'nowMs'> {
  /** The listener's name. */
  name: string;
  host: string;
  /** 0: any free port. */
  port: number;
  /** Certificate and key, and whether clients must show a certificate of theirs that `ca` vouches for. */
  tls?: { context: SecureContextOptions; requestCert: boolean } | undefined;
  /** Longest that a TLS handshake may take. */
  handshakeTimeoutMs: number;
  /** How long `stop` waits for messages in work before it cuts connections. */
  stopTimeoutMs: number;
  /** Monotonic, milliseconds. */
  nowMs?: () => number;
  /** What all connections hold together, if listeners share the limit `heldBytesMax`. */
  held?: Held;
}

export interface MllpServer {
  start(): Promise<{ port: number }>;
  /** For connections from now on. Throws what tls.createSecureContext throws. */
  setTls(context: SecureContextOptions): void;
  /** Takes no more connections and messages, answers what is in work, closes. */
  stop(): Promise<void>;
}

// A peer that is gone without a word is found out after some minutes, whatever the idle timeout.
const keepAliveAfterMs = 60_000;

export function createMllpServer(options: MllpServerOptions): MllpServer {
  const { log, traffic, name, stopTimeoutMs } = options;
  const { held = { bytes: 0 }, nowMs = () => performance.now() } = options;
  const connections = new Set<Connection>();
  const sockets = new Set<Socket>();
  const gate = createGate({ ...options, nowMs });
  const refused = createRefusals(options);

  const serve = (socket: Socket): void => {
    const connection = serveConnection(socket, sourceOf(socket, name), held, options);
    connections.add(connection);
    socket.once('close', () => connections.delete(connection));
  };
  const secure = options.tls === undefined ? undefined : createSecure(options.tls, options, serve, refused);
  const server: Server = createServer(
    {
      noDelay: true,
      allowHalfOpen: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveAfterMs,
      backlog: 1024,
    } as object,
    (socket) => {
      const address = plainAddress(socket.remoteAddress);
      const reason = gate.enter(address);
      if (reason !== undefined) {
        socket.destroy();
        return refused(reason, address);
      }
      sockets.add(socket);
      traffic.opened();
      socket.once('close', () => {
        sockets.delete(socket);
        gate.leave(address);
        traffic.closed();
      });
      if (secure === undefined) serve(socket);
      else secure.emit('connection', socket);
    },
  );
  return {
    async start() {
      server.listen({ port: options.port, host: options.host, backlog: 1024 });
      await once(server, 'listening');
      server.on('error', (error) => log.error({ err: error, listener: name }, 'MLLP server'));
      return { port: (server.address() as AddressInfo).port };
    },
    setTls: (context) => secure?.setSecureContext(context),
    async stop() {
      const closed = server.listening ? once(server, 'close') : Promise.resolve();
      server.close();
      const deadline = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, stopTimeoutMs);
      await Promise.all([...connections].map((connection) => connection.close()));
      // What is left is in its handshake.
      for (const socket of sockets) socket.destroy();
      await closed;
      clearTimeout(deadline);
    },
  };
}

/** `fault`: what was wrong with a handshake. */
type Refused = (reason: ConnectionRefusal, address: string, fault?: string) => void;

const refusalLogEveryMs = 10_000;

/** Each is counted; of one reason one in 10 s is logged, so that a port scan does not hide the sender with a wrong certificate. */
function createRefusals({ log, traffic, name, nowMs = () => performance.now() }: MllpServerOptions): Refused {
  const told = new Map<ConnectionRefusal, { loggedMs: number; unlogged: number }>();
  return (reason, address, fault) => {
    traffic.refused(reason);
    const last = told.get(reason) ?? { loggedMs: Number.NEGATIVE_INFINITY, unlogged: 0 };
    const count = last.unlogged + 1;
    const isDue = nowMs() - last.loggedMs >= refusalLogEveryMs;
    told.set(reason, isDue ? { loggedMs: nowMs(), unlogged: 0 } : { ...last, unlogged: count });
    if (isDue) log.warn({ listener: name, peer: address, reason, fault, count }, 'MLLP connection refused');
  };
}

/** Takes sockets that are in already by its event `connection`, and yields them when their handshake is done. */
function createSecure(
  { context, requestCert }: { context: SecureContextOptions; requestCert: boolean },
  { handshakeTimeoutMs, log, name }: MllpServerOptions,
  serve: (socket: Socket) => void,
  refused: Refused,
): TlsServer {
  const server = createTlsServer({
    ...context,
    requestCert,
    rejectUnauthorized: requestCert,
    handshakeTimeout: handshakeTimeoutMs,
  });
  server.on('secureConnection', serve);
  server.on('tlsClientError', (error: TlsError, socket) => {
    log.debug({ err: error, listener: name }, 'TLS handshake failed');
    refused('tls', plainAddress(addressBelow(socket)), tlsFault(error, socket));
    socket.destroy();
  });
  return server;
}

/** OpenSSL has a few words for what was wrong, such as `wrong version number` or `http request`. */
type TlsError = Error & { reason?: string; code?: string };

/** A certificate that is not taken is told as a broken connection: what was wrong with it is with the socket. */
const tlsFault = (error: TlsError, { authorizationError }: TLSSocket): string =>
  String(authorizationError ?? error.reason ?? error.code ?? error.message);

/**
 * Node has destroyed the TLS socket of a refused certificate before it tells of it, and its address is gone by then; the TCP
 * socket below still knows it. Checking certificates ourselves after the handshake is no way out: who was turned away for want
 * of one could come back by its session's ticket, which counts as authorized.
 */
const addressBelow = (socket: TLSSocket): string | undefined =>
  (socket as { _parent?: Socket })._parent?.remoteAddress ?? socket.remoteAddress;

/** The peer: its address, and the name in its certificate if it has shown one. */
function sourceOf(socket: Socket, name: string): Source {
  const address = plainAddress(socket.remoteAddress);
  const subject = socket instanceof TLSSocket ? socket.getPeerCertificate()?.subject?.CN : undefined;
  return { kind: 'mllp', name, peer: subject === undefined ? address : `${address} CN=${subject}` };
}
