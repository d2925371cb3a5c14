// What waits for a person: dead letters (failed and not processed since) and reviews (a question that a message raised).
import type { Db } from '#platform';
import type { Review } from '../seams.ts';
import { instant, type MessageRow, rowColumns, shown } from './message-row.ts';

/** Whether a decision has been taken. */
export type Openness = 'open' | 'resolved' | 'all';

export interface Resolution {
  /** Who decides. */
  by: string;
  comment: string;
}

interface Resolved {
  resolved_at: number | null;
  resolved_by: string | null;
  resolution: string | null;
}

const shownResolution = (row: Resolved): Record<string, unknown> | null =>
  row.resolved_at === null ? null : { at: instant(row.resolved_at), author: row.resolved_by, comment: row.resolution };

export interface Page {
  which: Openness;
  /** Only those below this number. */
  beyond: bigint | undefined;
  limit: number;
}

// One statement for each, so that the open ones are found by their own index.
const opennessSql: Record<Openness, string> = {
  open: 'x.resolved_at is null',
  resolved: 'x.resolved_at is not null',
  all: 'true',
};

/** So that a page in the middle begins there, for any values: a condition with OR is tested on all that come before. */
const isBeyond = (column: string): string => `${column} < coalesce($1::bigint, ${2n ** 63n - 1n})`;

// The page first: joined before, both tables were gone through from their newest rows, 110 ms for a page of the oldest of 300,000.
const deadLetters = (which: Openness) => ({
  name: `hl7_dead_letters_${which}`,
  text: `select ${rowColumns}, x.since, x.resolved_at, x.resolved_by, x.resolution
    from (select * from hl7_dead_letter x where ${opennessSql[which]} and ${isBeyond('x.message')}
      order by x.message desc limit $2) x
    cross join lateral (select * from hl7_message m where m.id = x.message offset 0) m order by x.message desc`,
});

/** Newest message first, `limit` + 1 where there are more. */
export async function listDeadLetters(db: Db, { which, beyond, limit }: Page) {
  const rows = await db.query<MessageRow & Resolved & { since: number }>(deadLetters(which), [
    beyond ?? null,
    limit + 1,
  ]);
  return rows.map((row) => ({
    id: row.id,
    shown: { ...shown(row), since: instant(row.since), resolution: shownResolution(row) },
  }));
}

const resolveDeadLetters = {
  name: 'hl7_resolve_dead_letters',
  text: `update hl7_dead_letter set resolved_at = $2, resolved_by = $3, resolution = $4
    where message = any($1) and resolved_at is null returning message`,
};

/** Yields those that were open: nothing is decided twice. */
export async function resolveMessages(db: Db, messages: readonly bigint[], how: Resolution, nowMs: number) {
  const values = [messages, new Date(nowMs), how.by, how.comment];
  return (await db.query<{ message: bigint }>(resolveDeadLetters, values)).map(({ message }) => message);
}

interface ReviewRow extends Resolved {
  id: bigint;
  message: bigint;
  kind: Review['kind'];
  text: string;
  concerns: string[];
  details: unknown;
  created_at: number;
}

const reviewColumns = `x.id, x.message, x.kind, x.text, x.concerns, x.details, x.created_at, x.resolved_at, x.resolved_by,
  x.resolution`;

const reviews = (which: Openness) => ({
  name: `hl7_reviews_${which}`,
  text: `select ${reviewColumns} from hl7_review x
    where ${opennessSql[which]} and ${isBeyond('x.id')} and ($3::text is null or x.kind = $3)
    order by x.id desc limit $2`,
});

const reviewsMax = 200;
const reviewsOfMessage = {
  name: 'hl7_reviews_of',
  text: `select ${reviewColumns} from hl7_review x where x.message = $1 order by x.id desc limit ${reviewsMax}`,
};

const shownReview = (row: ReviewRow): Record<string, unknown> => ({
  id: String(row.id),
  message: String(row.message),
  kind: row.kind,
  text: row.text,
  references: row.concerns,
  details: row.details,
  createdAt: instant(row.created_at),
  state: row.resolved_at === null ? 'open' : 'resolved',
  resolution: shownResolution(row),
});

/** Newest first, `limit` + 1 where there are more. */
export async function listReviews(db: Db, { which, beyond, limit }: Page, kind: string | undefined) {
  const rows = await db.query<ReviewRow>(reviews(which), [beyond ?? null, limit + 1, kind ?? null]);
  return rows.map((row) => ({ id: row.id, shown: shownReview(row) }));
}

/** Of one message, newest first. */
export const reviewsOf = async (db: Db, message: bigint): Promise<Record<string, unknown>[]> =>
  (await db.query<ReviewRow>(reviewsOfMessage, [message])).map(shownReview);

const resolveReview = {
  name: 'hl7_resolve_review',
  text: `update hl7_review x set resolved_at = $2, resolved_by = $3, resolution = $4
    where x.id = $1 and x.resolved_at is null returning ${reviewColumns}`,
};
const oneReview = { name: 'hl7_review', text: `select ${reviewColumns} from hl7_review x where x.id = $1` };

/** `already`: somebody has decided before. Undefined: there is no such review. */
export async function resolveOne(db: Db, id: bigint, how: Resolution, nowMs: number) {
  const [row] = await db.query<ReviewRow>(resolveReview, [id, new Date(nowMs), how.by, how.comment]);
  if (row !== undefined) return { already: false, shown: shownReview(row) };
  const [known] = await db.query<ReviewRow>(oneReview, [id]);
  return known && { already: true, shown: shownReview(known) };
}
