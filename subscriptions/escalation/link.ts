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
  read(token: string): { messageId: string; untilMs: number } | undefined;
}

// 128 bits: as many as the message's id has.
const macBytes = 16;
const form = /^([A-Za-z0-9_-]{22})\.([0-9a-z]{1,8})\.([A-Za-z0-9_-]{22})$/;

export function createLinks(key: Buffer): Links {
  const sign = (text: string): Buffer =>
    createHmac('sha256', key).update(`escalation-link|${text}`).digest().subarray(0, macBytes);
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
      const hex = Buffer.from(id, 'base64url').toString('hex');
      const messageId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
      return { messageId, untilMs: Number.parseInt(until, 36) * 1_000 };
    },
  };
}
