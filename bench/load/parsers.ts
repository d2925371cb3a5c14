// The least that finds where an answer ends: HTTP/1.1 with Content-Length, MLLP blocks, MQTT's CONNACK and PUBACK.
import type { AnswerParser } from './exchange.ts';

const headEnd = Buffer.from('\r\n\r\n');
const excerptBytes = 400;

/** Only answers with Content-Length, which both servers send. */
export function httpParser(): AnswerParser {
  let rest: Buffer | undefined;
  let missingBytes = 0;
  let failure: string | undefined;

  const head = (bytes: Buffer): number => {
    const end = bytes.indexOf(headEnd);
    if (end < 0) return -1;
    const text = bytes.toString('latin1', 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    const status = text.slice(9, 12);
    failure = status.startsWith('2')
      ? undefined
      : `${text.slice(9)} ${bytes.toString('latin1', end, end + excerptBytes)}`;
    if (length === undefined) failure ??= `no Content-Length: ${text}`;
    missingBytes = Number(length ?? 0);
    return end + headEnd.length;
  };

  return {
    push(chunk, done) {
      let bytes = rest && missingBytes === 0 ? Buffer.concat([rest, chunk]) : chunk;
      while (bytes.length > 0) {
        if (missingBytes === 0) {
          const bodyAt = head(bytes);
          if (bodyAt < 0) {
            rest = bytes;
            return;
          }
          rest = undefined;
          bytes = bytes.subarray(bodyAt);
        }
        const taken = Math.min(missingBytes, bytes.length);
        missingBytes -= taken;
        bytes = bytes.subarray(taken);
        if (missingBytes > 0) return;
        done(failure);
      }
    },
  };
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
