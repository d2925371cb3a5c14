// Table escalation: where each escalation stands. All times are PostgreSQL's, so that servers whose clocks differ or jump agree.
import type { Queryable, Statement, Tx } from '#platform';
import type { Alert, AlertEnd, Severity } from '../alerts/seams.ts';
import { isAtLeast, type Plan } from './chain.ts';

/** What is kept of an alert while it is escalated. */
export interface Facts extends Omit<Alert, 'status'> {
  /** Steps before that one told of it while it was less severe: whoever acts on their messages has not seen what it is now. */
  fromStep?: number;
  /** How often it began anew while this runs: it got worse, or was told anew after its end. */
  risen?: number | null;
  /** It got as severe as that in quiet hours, of which nobody was told yet. */
  awaited?: Severity;
}

/** One that this server brings forward, alone until its lease ends. */
export interface ClaimedEscalation {
  alert: string;
  run: number;
  chain: string;
  facts: Facts;
  plan: Plan | null;
  turn: number;
  steps: number;
  token: bigint;
  /** PostgreSQL's time of the claim. */
  nowMs: number;
}

const last: Statement = {
  name: 'escalation_last',
  text: 'select run, state, chain, facts from escalation where alert = $1 order by run desc limit 1 for update',
};

interface LastRow {
  run: number;
  state: string;
  chain: string;
  facts: Facts;
}

const insert: Statement = {
  name: 'escalation_insert',
  text: `insert into escalation (alert, run, chain, state, facts, due_at)
    values ($1, $2, $3, 'open', $4::jsonb, statement_timestamp()) on conflict do nothing`,
};

// More severe than it was ($5), or told anew when nobody would be called any more: it begins anew, with the steps of that severity.
// Of as much as it was, what was sent before can still be answered.
const raise: Statement = {
  name: 'escalation_raise',
  text: `update escalation set facts = $3::jsonb
        || jsonb_build_object('risen', coalesce((facts ->> 'risen')::int, 0) + 1)
        || case when $5 then jsonb_build_object('fromStep', steps + 1)
          when facts ? 'fromStep' then jsonb_build_object('fromStep', facts -> 'fromStep') else '{}' end,
      chain = $4, plan = null, turn = 0, state = 'open', error = null,
      due_at = statement_timestamp(), lease_token = lease_token + 1
    where alert = $1 and run = $2`,
};

// A corrected value: what is told from now on says it, and nobody is called earlier for it.
const refresh: Statement = {
  name: 'escalation_refresh',
  text: `update escalation set facts = $3::jsonb
      || case when facts ? 'risen' then jsonb_build_object('risen', facts -> 'risen') else '{}' end
      || case when facts ? 'fromStep' then jsonb_build_object('fromStep', facts -> 'fromStep') else '{}' end
    where alert = $1 and run = $2`,
};

const isRunning = (state: string): boolean => state === 'open' || state === 'exhausted';

/**
 * Begins, or goes on where it runs already with this severity. An alert without a chain is not escalated. `incidents`:
 * endpoints that keep an incident open; that of an acknowledged alert which is raised again makes room for a new one. `worse`: see
 * Escalation.
 */
export async function beginEscalation(
  tx: Tx,
  alert: Alert,
  incidents: readonly string[],
  worse = false,
): Promise<void> {
  const { status: _, ...facts } = alert;
  if (facts.escalation === undefined) return;
  const [former] = await tx.query<LastRow>(last, [alert.id]);
  const text = JSON.stringify(facts);
  if (former && isRunning(former.state)) {
    const isRisen = former.facts.severity !== facts.severity && isAtLeast(facts.severity, former.facts.severity);
    const { awaited } = former.facts;
    const isMore = worse || isRisen || (awaited !== undefined && isAtLeast(facts.severity, awaited));
    if (isMore || former.state === 'exhausted')
      await tx.query(raise, [alert.id, former.run, text, facts.escalation, isMore]);
    else await tx.query(refresh, [alert.id, former.run, text]);
    return;
  }
  if (former?.state === 'acknowledged') await tx.query(tell, [alert.id, former.run, 'closed', incidents, false]);
  await tx.query(insert, [alert.id, (former?.run ?? 0) + 1, facts.escalation, text]);
}

// What begins, or is told anew, has facts of its own: this lasts until then.
const worseLater: Statement = {
  name: 'escalation_await_worse',
  text: `update escalation set facts = facts || jsonb_build_object('awaited', $2::text)
    where alert = $1 and state in ('open', 'exhausted')
      and run = (select max(run) from escalation where alert = $1)`,
};

/** See Escalation. What does not run begins anew anyway. */
export const awaitWorse = async (tx: Tx, alertId: string, severity: Severity): Promise<void> =>
  void (await tx.query(worseLater, [alertId, severity]));

const end: Statement = {
  name: 'escalation_end',
  text: `update escalation set state = $3, ended_at = coalesce(ended_at, statement_timestamp()), due_at = null,
      lease_token = lease_token + 1
    where alert = $1 and run = $2`,
};

// What has not been tried yet is not sent. One that is being sent right now ends by itself.
const cancel: Statement = {
  name: 'escalation_cancel',
  text: `update escalation_message set state = 'cancelled', due_at = null
    where alert = $1 and run = $2 and kind = 'alert' and state in ('waiting', 'standby', 'held')`,
};

// To whom something went, or may have gone: endpoints of `always` (PagerDuty's) hear of each end, the others if the chain
// says so. Ids derive from what they end, so that a second end of the same kind says nothing new.
const tell: Statement = {
  name: 'escalation_tell_end',
  text: `insert into escalation_message
      (id, alert, run, number, kind, channel, recipient, address, place, detail, state, code, due_at, until_at)
    select distinct on (m.channel, m.recipient, m.address) encode(sha256(convert_to(m.id || '|' || $3, 'UTF8')), 'hex'),
      m.alert, m.run, 0, $3, m.channel, m.recipient, m.address, 0, false, 'waiting', '', statement_timestamp(),
      statement_timestamp() + interval '1 day'
    from escalation_message m
    join escalation e on e.alert = m.alert and e.run = m.run
    where m.alert = $1 and m.run = $2 and m.kind = 'alert' and m.attempts > 0 and m.channel <> 'websocket'
      and (m.channel = any ($4)
        or ($5 and m.state in ('sent', 'sending') and coalesce((e.plan ->> 'tellEnd')::boolean, false)))
    order by m.channel, m.recipient, m.address, m.created_at
    on conflict do nothing`,
};

/**
 * Ends it, whatever is under way. After an acknowledgment a later end is told to those who keep an incident open.
 * `incidents`: endpoints that do.
 */
export async function endEscalation(tx: Tx, alert: string, why: AlertEnd, incidents: readonly string[]): Promise<void> {
  const [former] = await tx.query<LastRow>(last, [alert]);
  const goesOn = former !== undefined && (isRunning(former.state) || former.state === 'acknowledged');
  if (!goesOn || former.state === why) return;
  await tx.query(end, [alert, former.run, why]);
  await tx.query(cancel, [alert, former.run]);
  await tx.query(tell, [alert, former.run, why, incidents, true]);
}

const claim: Statement = {
  name: 'escalation_claim',
  text: `with due as (
      select alert, run from escalation where due_at <= statement_timestamp() order by due_at limit $1 for update skip locked)
    update escalation e set lease_token = e.lease_token + 1,
      due_at = statement_timestamp() + $2 * interval '1 millisecond'
    from due where e.alert = due.alert and e.run = due.run
    returning e.alert, e.run, e.chain, e.facts, e.plan, e.turn, e.steps, e.lease_token as token,
      floor(extract(epoch from statement_timestamp()) * 1000)::float8 as "nowMs"`,
};

/** Those that are due, for `leaseMs`; another server takes over what this one has not brought forward by then. */
export const claimEscalations = (db: Queryable, count: number, leaseMs: number): Promise<ClaimedEscalation[]> =>
  db.query<ClaimedEscalation>(claim, [count, leaseMs]);

const own = `alert = $1 and run = $2 and lease_token = $3 and state = 'open'`;

const plan: Statement = {
  name: 'escalation_plan',
  text: `update escalation set plan = $4::jsonb, error = null where ${own}`,
};
const postpone: Statement = {
  name: 'escalation_postpone',
  text: `update escalation set error = $4, due_at = statement_timestamp() + $5 * interval '1 millisecond' where ${own}`,
};
const step: Statement = {
  name: 'escalation_step',
  text: `with e as (
      update escalation set turn = turn + 1, steps = steps + 1, error = null,
        due_at = statement_timestamp() + $4 * interval '1 millisecond'
      where ${own} returning steps, due_at)
    insert into escalation_step (alert, run, number, title, until_at, note)
    select $1, $2, e.steps, $5, e.due_at, $6 from e`,
};
const exhaust: Statement = {
  name: 'escalation_exhaust',
  text: `update escalation set state = 'exhausted', due_at = null where ${own}`,
};
const again: Statement = {
  name: 'escalation_again',
  text: `update escalation set turn = 0, error = $4, due_at = statement_timestamp() + $5 * interval '1 millisecond'
    where ${own}`,
};

type Key = Pick<ClaimedEscalation, 'alert' | 'run' | 'token'>;
const keyOf = ({ alert, run, token }: Key): unknown[] => [alert, run, token];

/** False when it was lost: it has ended, or another server has taken it over. The same of all below. */
export const savePlan = async (db: Queryable, key: Key, found: Plan): Promise<boolean> =>
  (await db.queryCount(plan, [...keyOf(key), JSON.stringify(found)])) === 1;

export const postponeEscalation = async (db: Queryable, key: Key, error: string, ms: number): Promise<boolean> =>
  (await db.queryCount(postpone, [...keyOf(key), error, ms])) === 1;

/** Writes the next step, after which `waitMs` pass until the one that follows. */
export const beginStep = async (
  tx: Tx,
  key: Key,
  { waitMs, title, note }: { waitMs: number; title: string; note: string | null },
): Promise<boolean> => (await tx.queryCount(step, [...keyOf(key), waitMs, title, note])) === 1;

export const exhaustEscalation = async (db: Queryable, key: Key): Promise<boolean> =>
  (await db.queryCount(exhaust, keyOf(key))) === 1;

/** Goes through the whole chain once more. */
export const repeatEscalation = async (db: Queryable, key: Key, error: string, ms: number): Promise<boolean> =>
  (await db.queryCount(again, [...keyOf(key), error, ms])) === 1;

const lock: Statement = {
  name: 'escalation_lock',
  text: 'select 1 from escalation where alert = $1 and run = $2 for no key update',
};

/** Before rows of its messages are changed along with others: whoever ends it takes the locks in the same order. */
export const lockEscalation = (tx: Tx, { alert, run }: { alert: string; run: number }): Promise<unknown> =>
  tx.query(lock, [alert, run]);

const prune: Statement = {
  name: 'escalation_prune',
  text: `with old as (
      select alert, run from escalation where ended_at < statement_timestamp() - $1 * interval '1 millisecond'
      order by ended_at limit $2),
    m as (delete from escalation_message x using old where x.alert = old.alert and x.run = old.run),
    s as (delete from escalation_step x using old where x.alert = old.alert and x.run = old.run)
    delete from escalation x using old where x.alert = old.alert and x.run = old.run`,
};

/** Forgets escalations that ended longer ago; their Communications stay. Returns how many. */
export async function pruneEscalations(db: Queryable, keepMs: number, batchRows = 1_000): Promise<number> {
  for (let total = 0; ; ) {
    const rows = await db.queryCount(prune, [keepMs, batchRows]);
    total += rows;
    if (rows < batchRows) return total;
  }
}
