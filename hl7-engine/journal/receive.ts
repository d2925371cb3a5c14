// A message into the journal: its bytes are committed before anything else becomes of them (HL7 v2.9 chapter 2.9.2).
import { createHash } from 'node:crypto';
import { createGather, type Db, type Statement } from '#platform';
import type { Header } from '../message/header.ts';
import type { Source } from '../seams.ts';
import type { Journaled } from './journal.ts';

// A unique index finds the message sent again; `control_id_reused` looks at rows committed so far, which is enough for a flag.
// Messages of several connections that come at the same moment share the statement, and its commit.
const insertSql = (rows: string, known: string, from = ''): string =>
  `insert into hl7_message as m (received_at, sender, control_id, content_hash, type, raw, source_kind, source_name, peer,
      message_time, control_id_reused)
    select v.*, v.control_id <> '' and exists (select from hl7_message o
        where o.sender = v.sender and o.control_id = v.control_id and o.content_hash <> v.content_hash)
    from ${rows}
      as v(received_at, sender, control_id, content_hash, type, raw, source_kind, source_name, peer, message_time)${from}
    on conflict (sender, control_id, content_hash) ${known}
    returning id, state, attempts, ack, received_at as "receivedMs", content_hash, sender, control_id`;

const TYPES = ['timestamptz', 'text', 'text', 'bytea', 'text', 'bytea', 'text', 'text', 'text', 'text'];
/** Values and not lists of one: those PostgreSQL plans anew each time, 0.13 ms. */
const oneRow = `(values (${TYPES.map((type, i) => `$${i + 1}::${type}`).join(', ')}))`;
const rowsOfLists = `unnest(${TYPES.map((type, i) => `$${i + 1}::${type}[]`).join(', ')})`;

interface Inserts {
  one: Statement;
  many: Statement;
}

// Of several none that is there is touched: who holds the lock of one row and waits for that of another meets, in a storm of
// messages sent again, those who do so the other way round, and the transactions that mark them.
const inserts = (suffix: string, from?: string): Inserts => ({
  one: {
    name: `hl7_receive_one${suffix}`,
    text: insertSql(oneRow, 'do update set deliveries = m.deliveries + 1', from),
  },
  many: { name: `hl7_receive_many${suffix}`, text: insertSql(rowsOfLists, 'do nothing', from) },
});

const flushed = inserts('_flushed');
// Its commit does not wait for the disk: https://www.postgresql.org/docs/current/wal-async-commit.html. The log is one
// sequence, so whoever waits for a later commit, that of the effect or the refusal, has waited for this one.
const ahead = inserts(
  '',
  `,
      set_config('synchronous_commit', 'off', true)`,
);

interface Received {
  raw: Buffer;
  header: Header;
  /** Milliseconds since 1970 UTC. */
  receivedMs: number;
  source: Source;
  /** The bytes are on disk when it is known that they are in the journal. */
  isFlushed: boolean;
}

interface Hashed extends Received {
  hash: Buffer;
}

interface ReceivedRow extends Journaled {
  content_hash: Buffer;
  sender: string;
  control_id: string;
}

const nameOf = (sender: string, controlId: string, hash: Buffer): string =>
  JSON.stringify([sender, controlId, hash.toString('hex')]);

/** Characters of what is kept of a source's name and peer: a file's name has 255 at most. */
const sourceTextMax = 300;

const sourceText = (text: string | undefined): string | null =>
  text === undefined ? null : text.replaceAll('\u0000', '').slice(0, sourceTextMax);

/** New ones by one statement, in one order whoever writes them; what was there, or is there twice, by itself. */
async function insertReceived(db: Db, many: Hashed[]): Promise<Journaled[]> {
  const statements = many[0]!.isFlushed ? flushed : ahead;
  if (many.length === 1) return [await insertOne(db, statements.one, many[0]!)];
  const inOrder = many.toSorted((a, b) => Buffer.compare(a.hash, b.hash)).map(valuesOf);
  const lists = TYPES.map((_, i) => inOrder.map((values) => values[i]));
  const rows = await db.query<ReceivedRow>(statements.many, lists);
  const found = new Map(rows.map((row) => [nameOf(row.sender, row.control_id, row.content_hash), row]));
  const journaled: (Journaled | undefined)[] = many.map(({ header, hash }) => {
    const name = nameOf(header.sender, header.controlId, hash);
    const row = found.get(name);
    found.delete(name);
    return row && journaledOf(row);
  });
  const again = journaled.flatMap((one, index) => (one === undefined ? [index] : []));
  const work = async (): Promise<void> => {
    for (let index = again.shift(); index !== undefined; index = again.shift()) {
      journaled[index] = await insertOne(db, statements.one, many[index]!);
    }
  };
  await Promise.all(Array.from({ length: AGAIN_LANES_MAX }, work));
  return journaled as Journaled[];
}

const journaledOf = ({ id, state, attempts, ack, receivedMs }: ReceivedRow): Journaled => ({
  ...{ id, state, attempts, ack, receivedMs },
});

const valuesOf = ({ receivedMs, header, hash, raw, source }: Hashed): unknown[] => [
  new Date(receivedMs),
  ...[header.sender, header.controlId, hash, header.type, raw],
  ...[source.kind, sourceText(source.name), sourceText(source.peer), header.time || null],
];

async function insertOne(db: Db, statement: Statement, one: Hashed): Promise<Journaled> {
  const [row] = await db.query<ReceivedRow>(statement, valuesOf(one));
  return journaledOf(row!);
}

/** Statements under way at a time, messages and bytes of one. The second is there for when a row's lock holds up the first. */
const RECEIVE_LANES_MAX = 2;
const RECEIVE_BESIDE = { itemsMin: 8, waitMs: 5 };
/** Of messages that were there already: each is a statement of its own. */
const AGAIN_LANES_MAX = 4;
const RECEIVE_ITEMS_MAX = 32;
const RECEIVE_BYTES_MAX = 1024 * 1024;

/** Yields a function that commits one message's bytes; a message that is there already yields its row: what was done with it. */
export function createReceive(db: Db): (received: Received) => Promise<Journaled> {
  const receive = createGather<Hashed, Journaled>({
    lanesMax: RECEIVE_LANES_MAX,
    beside: RECEIVE_BESIDE,
    itemsMax: RECEIVE_ITEMS_MAX,
    weigh: ({ raw }) => raw.length,
    weightMax: RECEIVE_BYTES_MAX,
    key: ({ isFlushed }) => String(isFlushed),
    run: (many) => insertReceived(db, many),
  });
  return (received) => receive({ ...received, hash: createHash('sha256').update(received.raw).digest() });
}
