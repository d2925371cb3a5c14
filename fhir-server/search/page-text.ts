// A page as one text that PostgreSQL puts together, for whoever passes it on as it is: 21 rows of six columns cost it a
// third of the page to send, and node two thirds to read and to join.
import type { Asked } from './page.ts';
import type { Sql, SqlBuilder } from './sql-text.ts';

/** What stands between the bodies of two entries, but for the id: `…},{"fullUrl":"http://a/Observation/` and `","resource":`. */
export interface Between {
  beforeId: string;
  afterId: string;
}

/** What the statement yields of a page. */
export interface PageText {
  /** Rows found: one more than the page shows where there are more. */
  length: number;
  /** Rows that are resources: a driver with too many rows yields one that is none. */
  rids: number;
  /** Rows with a body: where it is too large, the page has to be read row by row. */
  bodies: number;
  /** The id of the first. */
  first: string | null;
  /** Bytes of the body and the id of the one row that the page doesn't show. */
  beyond: number | null;
  /** Of the last one that the page shows; its sort keys are `k0`, `k1` … */
  rid: bigint | null;
  text: string | null;
  /** Of a page that is to be kept (kept-pages.ts): its rows as an array that PostgreSQL reads, and what the statement has seen. */
  kept?: string;
  horizon?: string;
  epoch?: bigint;
}

const KEPT = `coalesce(array_agg(q.rid), '{}')::text as kept, (select n from index_epoch) as epoch,
      (select pg_snapshot_xmin(pg_current_snapshot())::text) as horizon,`;

/** One row of what `rows`, a statement for rows of a page in order, finds. */
export function textSql({ limit, keys, between, keeps }: Asked, sql: SqlBuilder, rows: string): string {
  const [beforeId, afterId, last, all] = [between!.beforeId, between!.afterId, limit - 1, limit].map(sql.value);
  const ofLast = (column: string) => `(array_agg(q.${column}))[${last}::int] as ${column}`;
  return `select count(*)::int as length, count(q.rid)::int as rids, count(q.body)::int as bodies,
      (array_agg(q.id))[1] as first, (array_agg(octet_length(q.body) + octet_length(q.id)))[${all}::int] as beyond,
      ${keeps ? KEPT : ''} ${['rid', ...keys.map((_, i) => `k${i}`)].map(ofLast).join(', ')},
      string_agg(q.body, ${beforeId}::text || q.id || ${afterId}::text) as text
    from (${rows}) q`;
}

/** The statement for rows of a page as one for its text. */
export function asText(asked: Asked, { text, values }: Sql): Sql {
  const all = [...values];
  const value = (one: unknown) => `$${all.push(one)}`;
  const sql = { values: all, value, alias: () => 'q' };
  return { text: textSql(asked, sql, text), values: all };
}

/**
 * The bytes of `head`, the shown bodies with what stands between them, and `tail`. Text that is all ASCII takes node 3 µs
 * for 30 kB this way; joined as strings it is copied twice more.
 */
export function pageBytes(found: PageText, count: number, between: Between, head: string, tail: string): Buffer {
  const text = found.text ?? '';
  const [headBytes, textBytes, tailBytes] = [head, text, tail].map((part) => Buffer.byteLength(part)) as [
    number,
    number,
    number,
  ];
  const bytes = Buffer.allocUnsafe(headBytes + textBytes + tailBytes);
  bytes.write(head, 0);
  bytes.write(text, headBytes);
  const cut = found.length > count ? found.beyond! + Buffer.byteLength(between.beforeId) + between.afterId.length : 0;
  const end = headBytes + textBytes - cut;
  bytes.write(tail, end);
  return bytes.subarray(0, end + tailBytes);
}
