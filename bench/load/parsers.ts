// The least that finds where an answer ends: HTTP/1.1 with Content-Length, MLLP blocks, MQTT's CONNACK and PUBACK.
import type { AnswerParser } from './exchange.ts';

const headEnd = Buffer.from('\r\n\r\n');
const excerptBytes = 400;

/** Finds the ends of messages of HTTP/1.1 that have a Content-Length; `read` takes a head and says how many bytes follow it. */
function httpMessages(read: (head: string, rest: Buffer) => number, done: () => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined;
  let missingBytes = 0;
  return (chunk) => {
    let bytes = rest ? Buffer.concat([rest, chunk]) : chunk;
    rest = undefined;
    while (bytes.length > 0) {
      if (missingBytes === 0) {
        const end = bytes.indexOf(headEnd);
        if (end < 0) {
          rest = bytes;
          return;
        }
        const head = bytes.toString('latin1', 0, end);
        bytes = bytes.subarray(end + headEnd.length);
        missingBytes = read(head, bytes);
      }
      const taken = Math.min(missingBytes, bytes.length);
      missingBytes -= taken;
      bytes = bytes.subarray(taken);
      if (missingBytes > 0) return;
      done();
    }
  };
}

const lengthOf = (head: string): number | undefined => {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return length === undefined ? undefined : Number(length);
};

/** Only answers with Content-Length, which both servers send. */
export function httpParser(): AnswerParser {
  let failure: string | undefined;
  let tell: (failure?: string) => void = () => {};
  const read = (head: string, rest: Buffer): number => {
    const length = lengthOf(head);
    failure = head.startsWith('2', 9) ? undefined : `${head.slice(9)} ${rest.toString('latin1', 0, excerptBytes)}`;
    if (length === undefined) failure ??= `no Content-Length: ${head}`;
    return length ?? 0;
  };
  const push = httpMessages(read, () => tell(failure));
  return {
    push(chunk, done) {
      tell = done;
      push(chunk);
    },
  };
}

/** What a receiver of requests needs: `onRequest` is told the head of each once the whole of it is there. */
export function httpRequests(onRequest: (head: string) => void): (chunk: Buffer) => void {
  let head = '';
  const read = (text: string): number => {
    head = text;
    return lengthOf(text) ?? 0;
  };
  return httpMessages(read, () => onRequest(head));
}

const endBlock = 0x1c;

export function mllpParser(): AnswerParser {
  let text = '';
  return {
    push(chunk, done) {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\x1c\r'); end >= 0; end = text.indexOf('\x1c\r')) {
        const answer = text.slice(0, end);
        text = text.slice(end + 2);
        done(answer.includes('MSA|AA|') ? undefined : answer);
      }
    },
  };
}

const connack = 0x20;
const puback = 0x40;

/** CONNACK and PUBACK of MQTT 3.1.1 have four bytes, two of them after the length. */
export function mqttParser(): AnswerParser {
  let rest: Buffer = Buffer.alloc(0);
  return {
    push(chunk, done) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (; rest.length >= 4; rest = rest.subarray(4)) {
        const type = rest[0]! & 0xf0;
        const good = type === puback || (type === connack && rest[3] === 0);
        done(good ? undefined : `MQTT answer ${rest.subarray(0, 4).toString('hex')}`);
      }
    },
  };
}

/** The content between MLLP's block characters. */
export const mllpBlock = (message: string): Buffer => Buffer.from(`\x0b${message}${String.fromCharCode(endBlock)}\r`);

const field = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
};

function packet(type: number, body: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) return Buffer.concat([Buffer.from([type, ...length]), body]);
  }
}

/** https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718028, clean session, no keep-alive. */
export const mqttConnect = (clientId: string): Buffer =>
  packet(0x10, Buffer.concat([field('MQTT'), Buffer.from([4, 2, 0, 0]), field(clientId)]));

/** PUBLISH with QoS 1. */
export function mqttPublish(topic: string, packetId: number, payload: string): Buffer {
  const id = Buffer.from([packetId >> 8, packetId & 0xff]);
  return packet(0x32, Buffer.concat([field(topic), id, Buffer.from(payload)]));
}
