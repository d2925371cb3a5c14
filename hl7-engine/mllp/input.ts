// What a connection reads: bytes to frames, with limits on size, time and memory.
import type { Socket } from 'node:net';
import type { Log } from '#platform';
import { Refusal } from '../message/refusal.ts';
import { isCutWide } from '../message/wide.ts';
import type { Source } from '../seams.ts';
import type { Traffic } from '../transport/traffic.ts';
import { createFrameDecoder } from './frame.ts';
import { createOpeningCheck, type Mistaken } from './opening.ts';

/** Bytes that all connections together hold. */
export interface Held {
  bytes: number;
}

/** One holder's part of them, as it changes. */
export function shareOf(held: Held): (bytes: number) => void {
  let mine = 0;
  return (bytes) => {
    held.bytes += bytes - mine;
    mine = bytes;
  };
}

export interface InputOptions {
  messageBytesMax: number;
  /** Bytes that all connections together may hold of messages that have not ended or are not handled yet. */
  heldBytesMax: number;
  /** A frame that has not ended so long after its first byte is refused, and its connection closed. */
  frameTimeoutMs: number;
  log: Log;
  traffic: Traffic;
}

export interface InputEvents {
  frame(content: Buffer): void;
  /** A frame that is not taken: `head` is how it begins. Nothing is read any more after this. */
  refused(head: Buffer, refusal: Refusal): void;
}

export interface Input {
  push(chunk: Buffer): void;
  /** Reading was paused or goes on: the time of a frame does not run while we don't read. */
  watch(): void;
  /** Of a silent peer: true when it stopped within a frame, which then is refused. */
  giveUp(): boolean;
  /** No byte comes any more, or is wanted. */
  end(): void;
}

// How long an end block waits for its carriage return, which TCP may deliver apart.
const trailerWaitMs = 50;

const cutWide =
  'The message is UTF-16 or UTF-32 and does not end with a segment: characters of these sets hold the bytes that end an MLLP ' +
  'frame (1C 0D), so it may be cut. Send UNICODE UTF-8, or send it over HTTP';

const notThis: Record<Mistaken, string> = {
  http: 'This port takes HL7 in MLLP frames, not HTTP: over HTTP messages go to POST /hl7',
  tls: 'This port takes HL7 in MLLP frames without TLS: send it so, or give the listener a certificate (tls in HL7_LISTENERS)',
};

// Where memory is short only who holds a considerable part of it is refused.
const considerable = 1 / 1000;

export function createInput(
  socket: Pick<Socket, 'isPaused'>,
  source: Source,
  held: Held,
  options: InputOptions,
  events: InputEvents,
): Input {
  const { messageBytesMax, heldBytesMax, frameTimeoutMs, traffic } = options;
  const share = shareOf(held);
  let trailerTimer: NodeJS.Timeout | undefined;
  const decoder = createFrameDecoder(messageBytesMax, {
    frame(content) {
      if (isCutWide(content)) {
        decoder.abandon();
        traffic.frame('cut');
        return events.refused(content, new Refusal('AR', '102', cutWide, { location: { segment: 'MSH', field: 18 } }));
      }
      traffic.frame('whole');
      events.frame(content);
    },
    garbage: traffic.garbage,
    oversize(head) {
      traffic.frame('oversize');
      events.refused(head, new Refusal('AR', '207', `The message is larger than ${messageBytesMax} bytes`));
    },
  });
  const timer = createFrameTimer(() =>
    abandon('unterminated', `The MLLP frame was not ended within ${frameTimeoutMs} ms`),
  );

  const openingOf = createOpeningCheck();

  const watch = (): void => timer.watch(socket.isPaused() ? 0 : decoder.openFrame(), frameTimeoutMs);
  const settle = (): void => {
    share(decoder.heldBytes());
    watch();
  };
  const abandon = (end: 'unterminated' | 'crowded', text: string): void => {
    clearTimeout(trailerTimer);
    const head = decoder.abandon();
    settle();
    traffic.frame(end);
    options.log.warn({ listener: source.name, peer: source.peer, end }, 'MLLP frame refused');
    events.refused(head, new Refusal('AE', '207', text, { transient: true }));
  };

  return {
    push(chunk) {
      clearTimeout(trailerTimer);
      const mistaken = openingOf(chunk);
      if (mistaken !== undefined) {
        decoder.abandon();
        settle();
        traffic.garbage(chunk.length);
        return events.refused(chunk, new Refusal('AR', '200', notThis[mistaken]));
      }
      decoder.push(chunk);
      if (decoder.awaitsTrailer()) {
        trailerTimer = setTimeout(() => {
          decoder.endTrailer();
          settle();
        }, trailerWaitMs);
      }
      settle();
      if (held.bytes > heldBytesMax && decoder.heldBytes() > heldBytesMax * considerable) {
        abandon('crowded', 'The server holds as many unfinished messages as it can');
      }
    },
    watch,
    giveUp() {
      if (decoder.openFrame() === 0) return false;
      abandon('unterminated', 'The MLLP frame was not ended');
      return true;
    },
    end() {
      clearTimeout(trailerTimer);
      decoder.endTrailer();
      if (decoder.openFrame() !== 0) {
        decoder.abandon();
        traffic.frame('cut');
      }
      settle();
    },
  };
}

interface FrameTimer {
  /** The frame whose time is to run, 0 for none; the same one again changes nothing. */
  watch(frame: number, timeoutMs: number): void;
}

function createFrameTimer(expire: () => void): FrameTimer {
  let timer: NodeJS.Timeout | undefined;
  let timed = 0;
  return {
    watch(frame, timeoutMs) {
      if (frame === timed) return;
      clearTimeout(timer);
      timed = frame;
      if (frame !== 0) timer = setTimeout(expire, timeoutMs);
    },
  };
}
