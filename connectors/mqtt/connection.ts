// A client's socket as the broker sees it: packets bounded in size, MQTT 5 translated to 3.1.1.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { createFrameGuard, protocolLevelOf } from './frames.ts';
import { createTranslator, ProtocolError, type Translator, type TranslatorLimits } from './mqtt5.ts';

export type RefusalReason = 'too-large' | 'protocol';

interface ConnectionOptions extends TranslatorLimits {
  refused(reason: RefusalReason): void;
}

/** The stream to hand to the broker. It ends with the socket and the socket with it. */
export function brokerConnection(socket: Socket, options: ConnectionOptions): Duplex {
  const inbound = createInbound(options);
  const stream = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, _encoding, done) => writeOut([chunk], done),
    writev: (chunks, done) =>
      writeOut(
        chunks.map(({ chunk }) => chunk as Buffer),
        done,
      ),
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });

  const writeOut = (chunks: Buffer[], done: (error?: Error | null) => void): void => {
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    try {
      const translated = inbound.translator()?.toClient(bytes) ?? bytes;
      socket.write(translated, (error) => done(error));
    } catch (error) {
      done(error as Error);
    }
  };

  const refuse = (error: unknown, reason: RefusalReason): void => {
    options.refused(reason);
    if (error instanceof ProtocolError && error.answer.length > 0) socket.write(error.answer);
    socket.destroySoon();
    stream.destroy();
  };

  socket.on('data', (chunk: Buffer) => {
    if (stream.destroyed) return;
    try {
      const bytes = inbound.take(chunk);
      if (bytes === undefined) refuse(undefined, 'too-large');
      else if (bytes.length > 0 && !stream.push(bytes)) socket.pause();
    } catch (error) {
      refuse(error, 'protocol');
    }
  });
  socket.on('end', () => stream.push(null));
  socket.on('error', () => stream.destroy());
  socket.on('close', () => stream.destroy());
  return stream;
}

/** `take`: what the broker is to get of the client's next bytes; undefined when a packet is too large. */
function createInbound(limits: TranslatorLimits) {
  const guard = createFrameGuard(limits.packetBytesMax);
  let start: Buffer | undefined = Buffer.alloc(0);
  let translator: Translator | undefined;
  return {
    translator: () => translator,
    take(chunk: Buffer): Buffer | undefined {
      if (!guard.passes(chunk)) return undefined;
      if (start === undefined) return translator ? translator.toBroker(chunk) : chunk;
      const begun: Buffer = start.length === 0 ? chunk : Buffer.concat([start, chunk]);
      const level = protocolLevelOf(begun);
      if (level === undefined) {
        start = begun;
        return Buffer.alloc(0);
      }
      start = undefined;
      if (level === 5) translator = createTranslator(limits);
      return translator ? translator.toBroker(begun) : begun;
    },
  };
}
