// The sender's side of an MLLP connection: HL7 Implementation Guide v3 Transport Specification MLLP R2; TLS as in IHE ATNA
import { connect, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { createFrameDecoder, frame } from './frame.ts';

export interface MllpTls {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** The name that the receiver's certificate must have, if not the host's. */
  servername?: string | undefined;
}

export interface MllpConnectionOptions {
  host: string;
  port: number;
  tls?: MllpTls | undefined;
  /** Silence after which TCP probes the peer. */
  keepAliveMs?: number | undefined;
  lookup?: LookupFunction | undefined;
}

export interface MllpConnectionEvents {
  /** Connected, the TLS handshake included. */
  open(): void;
  /** A whole frame's content. */
  frame(content: Buffer): void;
  /** Once, last: by the peer, by a fault, by `destroy`, or because a frame was too large (a RangeError). */
  closed(error: Error | undefined): void;
}

export interface MllpConnection {
  /** `onTaken`: the system has all of it. It is not called where the connection ends before. */
  write(content: Buffer, onTaken?: () => void): void;
  /** Sends what was written, then closes. */
  end(): void;
  destroy(): void;
}

/** Of one answer. */
const contentBytesMax = 1024 * 1024;

function openSocket({ host, port, tls, lookup }: MllpConnectionOptions): Socket {
  const address = { host, port, noDelay: true, ...(lookup && { lookup }) };
  if (tls === undefined) return connect(address);
  const { servername = host, ...credentials } = tls;
  const given = Object.fromEntries(Object.entries(credentials).filter(([, value]) => value !== undefined));
  // An address is no server name: https://www.rfc-editor.org/rfc/rfc6066#section-3
  const named = /^[\d.]+$|:/.test(servername) ? {} : { servername };
  return connectTls({ ...address, ...given, ...named, minVersion: 'TLSv1.2' });
}

/** Opens a connection; nothing is thrown, all faults come as `closed`. What is written before `open` is sent after it. */
export function openMllpConnection(options: MllpConnectionOptions, events: MllpConnectionEvents): MllpConnection {
  const socket = openSocket(options);
  let fault: Error | undefined;
  if (options.keepAliveMs !== undefined) socket.setKeepAlive(true, options.keepAliveMs);
  const decoder = createFrameDecoder(contentBytesMax, {
    frame: events.frame,
    garbage: () => {},
    oversize: () => socket.destroy(new RangeError(`The MLLP answer is larger than ${contentBytesMax} bytes`)),
  });
  socket.on(options.tls === undefined ? 'connect' : 'secureConnect', events.open);
  socket.on('data', (chunk: Buffer) => {
    decoder.push(chunk);
    if (decoder.awaitsTrailer()) decoder.endTrailer();
  });
  socket.on('error', (error) => {
    fault = error;
  });
  // A peer that closes its side answers nothing any more.
  socket.on('end', () => socket.destroy());
  socket.on('close', () => events.closed(fault));
  return {
    write: (content, onTaken) => void socket.write(frame(content), (error) => error ?? onTaken?.()),
    end: () => socket.destroySoon(),
    destroy: () => void socket.destroy(),
  };
}
