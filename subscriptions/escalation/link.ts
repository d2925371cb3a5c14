// Signed links: whoever holds one may acknowledge the one alert that its message told, for a while, and nothing else.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Db, Statement } from '#platform';

const insertKey: Statement = { text: 'insert into escalation_key (key) values ($1) on conflict do nothing' };
const readKey: Statement = { text: 'select key from escalation_key' };

/** The key of all servers of this database, made when it is first needed. */
export async function linkKey(db: Db): Promise<Buffer> {
  await db.query(insertKey, [randomBytes(32)]);
  const [row] = await db.query<{ key: Buffer }>(readKey);
  return row!.key;
}

export interface Links {
  /** The token of a message until that instant: 52 characters that need no escaping in a URL. */
  tokenOf(messageId: string, untilMs: number): string;
  /** Of whose message it is, and until when it is good; undefined if nobody here has made it. */
  read(token: string): Linked | undefined;
  /** The same for an address of a mail: 48 small letters and digits, since the left side may have 64 and lose its capitals. */
  mailTokenOf(messageId: string, untilMs: number): string;
  readMail(token: string): Linked | undefined;
}

export interface Linked {
  messageId: string;
  untilMs: number;
}

// 128 bits: as many as the message's id has.
const macBytes = 16;
const form = /^([A-Za-z0-9_-]{22})\.([0-9a-z]{1,8})\.([A-Za-z0-9_-]{22})$/;

const mailMacBytes = 10;
const mailForm = /^([0-9a-z]{25})([0-9a-z]{7})([0-9a-z]{16})$/;

export function createLinks(key: Buffer): Links {
  const sign = (text: string): Buffer =>
    createHmac('sha256', key).update(`escalation-link|${text}`).digest().subarray(0, macBytes);
  const signMail = (text: string): Buffer =>
    createHmac('sha256', key).update(`escalation-mail|${text}`).digest().subarray(0, mailMacBytes);
  return {
    tokenOf(messageId, untilMs) {
      const id = Buffer.from(messageId.replaceAll('-', ''), 'hex').toString('base64url');
      const text = `${id}.${Math.floor(untilMs / 1_000).toString(36)}`;
      return `${text}.${sign(text).toString('base64url')}`;
    },
    read(token) {
      const [, id, until, mac] = form.exec(token) ?? [];
      if (id === undefined || until === undefined || mac === undefined) return undefined;
      if (!timingSafeEqual(Buffer.from(mac, 'base64url'), sign(`${id}.${until}`))) return undefined;
      return { messageId: uuidOf(Buffer.from(id, 'base64url')), untilMs: Number.parseInt(until, 36) * 1_000 };
    },
    mailTokenOf(messageId, untilMs) {
      const until = Math.floor(untilMs / 1_000)
        .toString(36)
        .padStart(7, '0');
      const text = `${inDigits(Buffer.from(messageId.replaceAll('-', ''), 'hex'), 25)}${until}`;
      return `${text}${inDigits(signMail(text), 16)}`;
    },
    readMail(token) {
      const [, id, until, mac] = mailForm.exec(token) ?? [];
      if (id === undefined || until === undefined || mac === undefined) return undefined;
      const expected = inDigits(signMail(`${id}${until}`), 16);
      if (!timingSafeEqual(Buffer.from(mac), Buffer.from(expected))) return undefined;
      return { messageId: uuidOf(ofDigits(id, 16)), untilMs: Number.parseInt(until, 36) * 1_000 };
    },
  };
}

const uuidOf = (bytes: Buffer): string => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

/** To the base 36. */
const inDigits = (bytes: Buffer, count: number): string =>
  BigInt(`0x${bytes.toString('hex')}`)
    .toString(36)
    .padStart(count, '0');

function ofDigits(digits: string, bytes: number): Buffer {
  const value = [...digits].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n);
  return Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex');
}
