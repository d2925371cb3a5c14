// What is sent beside what is owed: events that a client asks for again ($resend), and heartbeats where there is nothing else.
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-heartbeat-period.html
import type { Queryable, Statement } from '#platform';
import { type Claim, claimColumns, type Delivery, deliveryColumns, nextHeartbeat } from './deliveries.ts';
import { type End, prolonging } from './ends.ts';

const again: Statement = {
  name: 'delivery_again',
  text: `select ${deliveryColumns} from delivery
    where subscriber = $1 and resend order by number limit $2`,
};

const none: Statement = {
  name: 'delivery_again_none',
  text: 'update subscriber set resends = 0 where id = $1 and lease_token = $2 and resends = $3',
};

/** Events to be told again, in their order. */
export async function resendDeliveries(db: Queryable, claim: Claim, limit: number): Promise<Delivery[]> {
  const found = await db.query<Delivery>(again, [claim.id, limit]);
  // They were deleted meanwhile: without this the subscriber would be due for ever. What is asked for at this moment counts on.
  if (found.length === 0) await db.query(none, [claim.id, claim.lease_token, claim.resends]);
  return found;
}

const end: Statement = {
  name: 'delivery_again_end',
  text: `with d as (select number from delivery where subscriber = $1 and resend and number = any ($3::bigint[])),
    s as (
      update subscriber set resends = greatest(resends - (select count(*) from d)::int, 0), attempts = 0,
        failing_since = null, error = $4,
        due_at = case when state = 'active'
          and (done_number < last_number or resends > (select count(*) from d)) then statement_timestamp() end,
        heartbeat_at = ${nextHeartbeat},
        lease_until = case when $5 then null else statement_timestamp() + $6 * interval '1 millisecond' end
      where id = $1 and lease_token = $2
      returning state = 'active' and version = $7 as goes_on, due_at),
    u as (
      update delivery set resend = false
      where subscriber = $1 and number in (select number from d) and exists (select from s))
    select due_at is not null as due from s where goes_on`,
};

/**
 * For `deliveries`, which were to be told again: their outcome stays what it was. By their numbers: meanwhile others may have been
 * asked for, before them and between them.
 */
export const createResendEnd = (db: Queryable, deliveries: readonly Delivery[]): End =>
  prolonging(async ({ id, lease_token, version }, number, result, { release, leaseMs, count }) => {
    const upTo = deliveries.findIndex((one) => one.number === number) + 1;
    const numbers = deliveries.slice(upTo - count, upTo).map((one) => one.number);
    const values = [id, lease_token, numbers, result.error ?? null, release, leaseMs, version];
    const [row] = await db.query<{ due: boolean }>(end, values);
    return row === undefined ? 'lost' : row.due ? 'due' : 'held';
  });

const claim: Statement = {
  name: 'heartbeat_claim',
  text: `update subscriber s set lease_token = s.lease_token + 1,
      lease_until = statement_timestamp() + $2 * interval '1 millisecond'
    from (select id from subscriber
      where state = 'active' and heartbeat_at <= statement_timestamp() and due_at is null
        and (lease_until is null or lease_until < statement_timestamp()) and host <> all ($3::text[])
      order by heartbeat_at limit $1 for update skip locked) d
    where s.id = d.id
    returning ${claimColumns}`,
};

/** Leases subscribers that have heard nothing for so long as they said, and are owed nothing. */
export async function claimHeartbeats(
  db: Queryable,
  limit: number,
  leaseMs: number,
  without: string[],
): Promise<Claim[]> {
  const leasedMs = performance.now();
  const claims = await db.query<Claim>(claim, [limit, leaseMs, without]);
  return claims.map((one) => ({ ...one, leasedMs, beats: true }));
}

const beaten: Statement = {
  name: 'heartbeat_end',
  text: `update subscriber set error = $3, lease_until = null,
      heartbeat_at = case when state = 'active' and heartbeat_at is not null
        then statement_timestamp() + $4 * interval '1 millisecond' end
    where id = $1 and lease_token = $2`,
};

/** The next one follows after `pauseMs`, unless there is an event before. */
export async function endHeartbeat(
  db: Queryable,
  { id, lease_token }: Claim,
  error: string | null,
  pauseMs: number,
): Promise<void> {
  await db.query(beaten, [id, lease_token, error, pauseMs]);
}
