// How what matched comes to be owed: numbered and written and, where there is room, leased in the same statement to the server
// that dispatches, which then knows all there is to send. Claiming and reading it back were two statements more.
import type { Change } from '#fhir-model';
import type { Queryable, Statement } from '#platform';
import { type Claim, claimColumns, type Delivery, firstOfArrays, type Match, unnest } from './deliveries.ts';

/** Which of the subscribers that are owed something are leased at once. */
export interface Places {
  most: number;
  leaseMs: number;
  /** Hosts that take no more for now. */
  without: readonly string[];
}

export interface Leased {
  claim: Claim;
  deliveries: Delivery[];
}

export interface Owed {
  leased: Leased[];
  /** Others are due that nobody has leased. */
  waiting: boolean;
}

// Numbers come from the subscriber's own row, locked first, in the order of the matches. Leased are those who were owed nothing.
// `first` is the condition: a statement that yields a row, or nothing is written.
const oweText = (first: string) => `with moved as (${first}),
    m as (
      select * from ${unnest(...'text bigint bigint float8 int text text text'.split(' '))} with ordinality as m (subscriber, xid, seq, changed, version, type, id, op, place)
      where exists (select from moved)),
    l as (
      select id, state = 'active' and due_at is null and done_number = last_number and resends = 0 and attempts = 0
        and (lease_until is null or lease_until < statement_timestamp()) and host <> all ($9::text[]) as free
      from subscriber where id = any (${firstOfArrays}) and state <> 'deleted' order by id for no key update),
    c as (
      select l.id, m.count, l.free and l.place <= $10 as leased
      from (select id, free, count(*) filter (where free) over (order by id) as place from l) l
      join (select subscriber, count(*) as count from m group by subscriber) m on m.subscriber = l.id),
    n as (
      update subscriber s set last_number = s.last_number + c.count,
        due_at = coalesce(s.due_at, statement_timestamp()),
        lease_token = s.lease_token + c.leased::int,
        lease_until = case when c.leased then statement_timestamp() + $11 * interval '1 millisecond' else s.lease_until end
      from c where s.id = c.id
      returning s.*, s.last_number - c.count as base, c.leased),
    d as (
      insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, op)
      select n.id, n.base + row_number() over (partition by n.id order by m.place),
        m.xid, m.seq, to_timestamp(m.changed / 1000), m.version, m.type, m.id, m.op
      from n join m on m.subscriber = n.id)
    select w.*, c.* from (
        select exists (select from moved) as moved, exists (select from n where not leased and state = 'active'
          and (lease_until is null or lease_until < statement_timestamp())) as waiting) w
      left join (select ${claimColumns} from n s where leased) c on true`;

const owe: Statement = { name: 'delivery_owe', text: oweText('select') };

const nobody: Places = { most: 0, leaseMs: 0, without: [] };

const valuesOf = (matches: readonly Match[], { most, leaseMs, without }: Places): unknown[] => [
  matches.map((match) => match.subscriber),
  matches.map(({ change }) => change.xid),
  matches.map(({ change }) => change.seq),
  matches.map(({ change }) => change.updatedMs),
  matches.map(({ change }) => change.version),
  matches.map(({ change }) => change.type),
  matches.map(({ change }) => change.id),
  matches.map(({ change }) => change.op),
  ...[without, most, leaseMs],
];

/** Numbers the matches of each subscriber in the order given and makes them due. */
export async function insertDeliveries(db: Queryable, matches: readonly Match[]): Promise<void> {
  if (matches.length > 0) await db.query(owe, valuesOf(matches, nobody));
}

/** The first free placeholder of `owing`. */
const conditionAt = 12;

/**
 * The statement that does so only when another one that changes something has changed a row. `condition` makes its text, its
 * placeholders beginning with the given one.
 */
export const owing = (name: string, condition: (first: number) => string): Statement => ({
  name,
  text: oweText(`${condition(conditionAt)} returning 1`),
});

type Row = { moved: boolean; waiting: boolean } & (Claim | { [column in keyof Claim]: null });

/** Runs such a statement; undefined when the condition did not hold. */
export async function oweMatches(
  db: Queryable,
  statement: Statement,
  condition: readonly unknown[],
  matches: readonly Match[],
  places: Places,
): Promise<Owed | undefined> {
  const leasedMs = performance.now();
  const rows = await db.query<Row>(statement, [...valuesOf(matches, places), ...condition]);
  if (!rows[0]?.moved) return undefined;
  const leased = new Map<string, Leased>();
  for (const { moved: _moved, waiting: _waiting, ...claim } of rows) {
    if (claim.id !== null) leased.set(claim.id, { claim: { ...claim, leasedMs }, deliveries: [] });
  }
  for (const { subscriber, change } of matches) {
    const one = leased.get(subscriber);
    one?.deliveries.push(deliveryOf(change, one.claim.done_number + BigInt(one.deliveries.length + 1)));
  }
  return { leased: [...leased.values()], waiting: rows[0].waiting };
}

const deliveryOf = ({ type, id, version, xid, seq, op, updatedMs }: Change, number: bigint): Delivery => ({
  ...{ number, type, id, version, op },
  ...{ change_xid: xid, change_seq: seq, changed_at: updatedMs, again: false },
});
