// Table escalation_message: each message is a row before it is sent, and stays one until it is recorded as sent.
import { type Queryable, type Statement, type Tx, uuidv5 } from '#platform';
import type { NoticeKind } from './notice.ts';
import type { Facts } from './state.ts';

/** A message as a step plans it. */
export interface Planned {
  channel: string;
  recipient: string;
  address: string;
  place: number;
  /** `repeated`: another recipient's message to the same address tells it, too. */
  state: 'waiting' | 'standby' | 'repeated';
}

/** A message that this server is sending. */
export interface ClaimedMessage {
  id: string;
  alert: string;
  run: number;
  number: number;
  kind: NoticeKind;
  channel: string;
  recipient: string;
  address: string;
  place: number;
  detail: boolean;
  code: string;
  attempts: number;
  token: bigint;
  /** It had to wait, since there were too many to its address. */
  held: boolean;
  /** It has been tried in vain for as long as it may be. */
  isLate: boolean;
  /** Of its escalation. */
  state: string;
  facts: Facts;
  step: string;
  nowMs: number;
}

const namespace = '3b0e7f9a-64c1-5d57-8a34-95d1c04c7f11';

/** The same for the same step, recipient and channel. */
const messageId = (alert: string, run: number, number: number, { channel, recipient, address }: Planned): string =>
  uuidv5(namespace, JSON.stringify([alert, run, number, channel, recipient, address]));

/** Four digits that a telephone's keys can write, different for most messages to one number. */
const replyCode = (id: string): string => String(Number.parseInt(id.slice(0, 8), 16) % 10_000).padStart(4, '0');

const insert: Statement = {
  name: 'escalation_message_insert',
  text: `insert into escalation_message
      (id, alert, run, number, kind, channel, recipient, address, place, detail, state, code, due_at, until_at)
    select r.id, $1, $2, $3, 'alert', r.channel, r.recipient, r.address, r.place, $4, r.state, r.code,
      case r.state when 'waiting' then statement_timestamp() end, statement_timestamp() + $5 * interval '1 millisecond'
    from jsonb_to_recordset($6::jsonb) as r (id text, channel text, recipient text, address text, place int, state text, code text)
    on conflict do nothing`,
};

export interface StepOf {
  alert: string;
  run: number;
  number: number;
  detail: boolean;
  /** How long a message is tried. */
  tryMs: number;
}

export async function planMessages(tx: Tx, step: StepOf, planned: readonly Planned[]): Promise<void> {
  const rows = planned.map((one) => {
    const id = messageId(step.alert, step.run, step.number, one);
    return { ...one, id, code: replyCode(id) };
  });
  await tx.query(insert, [step.alert, step.run, step.number, step.detail, step.tryMs, JSON.stringify(rows)]);
}

// Of those that wait for one address the first brings the others along, when nothing else is under way to it. The end of an
// alert is not told while its beginning is still on its way to the same place: PagerDuty would drop the end and open the
// incident after it.
// One that has not been tried yet is never late: after hours without the server, or when the database's clock is put forward, it
// would else be given up unsent, and with it whoever of the step was to be told.
const claim: Statement = {
  name: 'escalation_message_claim',
  text: `with due as (
      select m.id, m.state = 'held' as held from escalation_message m
      where m.due_at <= statement_timestamp() and m.channel <> all ($3) and (m.kind = 'alert' or not exists (
        select from escalation_message b where b.alert = m.alert and b.run = m.run and b.number > 0 and b.kind = 'alert'
          and b.channel = m.channel and b.recipient = m.recipient and b.state = 'sending'))
        and (m.state <> 'held' or (m.id = (
            select h.id from escalation_message h where h.channel = m.channel and h.address = m.address and h.state = 'held'
            order by h.created_at, h.id limit 1)
          and not exists (select from escalation_message h
            where h.channel = m.channel and h.address = m.address and h.state = 'sending')))
      order by m.due_at limit $1 for update of m skip locked)
    update escalation_message m set state = 'sending', attempts = m.attempts + 1, lease_token = m.lease_token + 1,
      due_at = statement_timestamp() + $2 * interval '1 millisecond'
    from due, escalation e
    where m.id = due.id and e.alert = m.alert and e.run = m.run
    returning m.id, m.alert, m.run, m.number, m.kind, m.channel, m.recipient, m.address, m.place, m.detail, m.code,
      m.attempts, m.lease_token as token, due.held, m.error is not null and m.until_at < statement_timestamp() as "isLate", e.state, e.facts,
      coalesce((select s.title from escalation_step s where s.alert = m.alert and s.run = m.run and s.number = m.number),
        '') as step,
      floor(extract(epoch from statement_timestamp()) * 1000)::float8 as "nowMs"`,
};

/** Those that are due, but for these channels, for `leaseMs`: what is not recorded by then is sent again. */
export const claimMessages = (
  db: Queryable,
  count: number,
  leaseMs: number,
  but: readonly string[],
): Promise<ClaimedMessage[]> => db.query<ClaimedMessage>(claim, [count, leaseMs, but]);

const own = `id = $1 and lease_token = $2 and state = 'sending'`;

const sent: Statement = {
  name: 'escalation_message_sent',
  text: `update escalation_message set state = 'sent', sent_at = statement_timestamp(), due_at = null, error = null where ${own}`,
};
const sentWith: Statement = {
  name: 'escalation_message_sent_with',
  text: `update escalation_message set state = 'sent', sent_at = statement_timestamp(), due_at = null, digest = $2
    where id = any ($1) and state = 'held'`,
};
const failed: Statement = {
  name: 'escalation_message_failed',
  text: `update escalation_message set state = 'failed', due_at = null, error = $3 where ${own}`,
};
const retried: Statement = {
  name: 'escalation_message_retried',
  text: `update escalation_message set state = 'waiting', error = $3,
      due_at = statement_timestamp() + $4 * interval '1 millisecond'
    where ${own}`,
};
const held: Statement = {
  name: 'escalation_message_held',
  text: `update escalation_message set state = 'held', attempts = attempts - 1,
      due_at = statement_timestamp() + $3 * interval '1 millisecond'
    where ${own}`,
};
const dropped: Statement = {
  name: 'escalation_message_dropped',
  text: `update escalation_message set state = 'cancelled', due_at = null where ${own}`,
};

type Own = Pick<ClaimedMessage, 'id' | 'token'>;
const run = async (db: Queryable, statement: Statement, { id, token }: Own, more: unknown[] = []): Promise<boolean> =>
  (await db.queryCount(statement, [id, token, ...more])) === 1;

/** False when another server has taken it over. The same of all below. */
export const markSent = (db: Queryable, own: Own): Promise<boolean> => run(db, sent, own);
export const markFailed = (db: Queryable, own: Own, error: string): Promise<boolean> => run(db, failed, own, [error]);
export const markRetried = (db: Queryable, own: Own, error: string, ms: number): Promise<boolean> =>
  run(db, retried, own, [error, ms]);
export const markHeld = (db: Queryable, own: Own, ms: number): Promise<boolean> => run(db, held, own, [ms]);
export const markDropped = (db: Queryable, own: Own): Promise<boolean> => run(db, dropped, own);

/** Held ones that were told in the digest `id`. */
export const markSentWith = async (db: Queryable, ids: readonly string[], id: string): Promise<void> => {
  if (ids.length > 0) await db.query(sentWith, [ids, id]);
};

// A recipient's own next place, or that of an endpoint which stands for everybody; after such an endpoint everybody's. Where another's
// message to the same address is under way, or was sent, that one tells it, too.
const release: Statement = {
  name: 'escalation_message_release',
  text: `with r as (
      select id, place, state, channel, address from escalation_message where alert = $1 and run = $2 and number = $3
        and place > $5 and (recipient in ($4, '') or $4 = '')),
    n as (
      select id, address <> '' and (
          exists (select from r o where o.state = 'standby' and o.place = r.place and o.channel = r.channel
            and o.address = r.address and o.id < r.id)
          or exists (select from escalation_message o where o.alert = $1 and o.run = $2 and o.number = $3
            and o.channel = r.channel and o.address = r.address and o.state in ('waiting', 'held', 'sending', 'sent'))) as shared
      from r
      where state = 'standby' and place = (select min(place) from r where state = 'standby')
        and not exists (select from r where state in ('waiting', 'repeated', 'held', 'sending', 'sent')))
    update escalation_message m set state = case when n.shared then 'repeated' else 'waiting' end,
      due_at = case when not n.shared then statement_timestamp() end
    from n where m.id = n.id and m.state = 'standby'`,
};
// One that waits to tell others, too, goes on. Those whom the one that was sent has told need no further way either.
const settle: Statement = {
  name: 'escalation_message_settle',
  text: `update escalation_message m set state = 'cancelled', due_at = null
    where alert = $1 and run = $2 and number = $3 and place >= 0 and place <> $5
      and ((recipient = $4 or $4 = '') and (state = 'standby' or (state = 'waiting' and $4 <> '' and not exists (
          select from escalation_message o where o.alert = $1 and o.run = $2 and o.number = $3 and o.channel = m.channel
            and o.address = m.address and o.state = 'repeated' and o.recipient <> m.recipient)))
        or state = 'standby' and recipient in (
          select o.recipient from escalation_message o where o.alert = $1 and o.run = $2 and o.number = $3 and o.channel = $6
            and o.address = $7 and o.state = 'repeated'))`,
};
// Nothing of the step can be sent any more: the next one need not wait.
const hasten: Statement = {
  name: 'escalation_hasten',
  text: `update escalation e set due_at = statement_timestamp()
    where e.alert = $1 and e.run = $2 and e.steps = $3 and e.state = 'open' and e.due_at > statement_timestamp()
      and not exists (select from escalation_message m where m.alert = $1 and m.run = $2 and m.number = $3 and m.place >= 0
        and m.state in ('waiting', 'standby', 'held', 'sending', 'sent'))`,
};

// Who has the same address, and no message of their own for that.
const sharing: Statement = {
  name: 'escalation_message_sharing',
  text: `select recipient from escalation_message where alert = $1 and run = $2 and number = $3 and channel = $4 and address = $5
    and state = 'repeated' order by recipient`,
};

/** The next channel of its recipient is tried, and of whoever else it was to tell. */
export const releaseNext = async (db: Queryable, m: ClaimedMessage): Promise<void> => {
  const of = [m.alert, m.run, m.number];
  const others = await db.query<{ recipient: string }>(sharing, [...of, m.channel, m.address]);
  for (const { recipient } of [m, ...others]) await db.query(release, [...of, recipient, m.place]);
};

/** Its recipient is told: other channels that were to be tried for the same are not. */
export const settleRecipient = (db: Queryable, m: ClaimedMessage): Promise<unknown> =>
  db.query(settle, [m.alert, m.run, m.number, m.recipient, m.place, m.channel, m.address]);

// The chain came to its end while this was taken for told: nobody has been told after all, and it is gone through again.
const reopen: Statement = {
  name: 'escalation_reopen',
  text: `update escalation e set state = 'open', due_at = statement_timestamp()
    where e.alert = $1 and e.run = $2 and e.state = 'exhausted'
      and not exists (select from escalation_message m where m.alert = $1 and m.run = $2 and m.kind = 'alert'
        and m.number >= coalesce((e.facts ->> 'fromStep')::int, 0) and m.channel <> 'websocket'
        and m.state in ('waiting', 'held', 'sending', 'sent'))`,
};

/** Where nothing of the step is left to send, the next one begins; where nobody of the chain was told, the chain. */
export const hastenNext = async (db: Queryable, m: ClaimedMessage): Promise<void> => {
  await db.query(hasten, [m.alert, m.run, m.number]);
  await db.query(reopen, [m.alert, m.run]);
};

const room: Statement = {
  name: 'escalation_message_room',
  text: `select count(*)::int as count,
      (floor(extract(epoch from min(m.sent_at) + $3 * interval '1 millisecond' - statement_timestamp()) * 1000))::float8 as "waitMs"
    from (select m.sent_at from escalation_message m join escalation e on e.alert = m.alert and e.run = m.run
      where m.channel = $1 and m.address = $2 and (m.kind = 'alert') = $6 and m.digest is null
        and m.sent_at > statement_timestamp() - $3 * interval '1 millisecond'
        and (not $4 or e.facts ->> 'severity' = 'critical')
      order by m.sent_at desc limit $5) m`,
};

export interface Flood {
  /** Messages to one address over one channel, within `windowMs`. */
  messagesMax: number;
  windowMs: number;
}

/** A critical alert waits for nothing but others of its kind, of which there may be so many times more. */
const criticalFactor = 3;

/** How long the message must wait, since its address has got too many; 0: it need not. */
export async function floodMs(db: Queryable, m: ClaimedMessage, { messagesMax, windowMs }: Flood): Promise<number> {
  const isAlert = m.kind === 'alert';
  const isCritical = isAlert && m.facts.severity === 'critical';
  const most = isCritical ? criticalFactor * messagesMax : messagesMax;
  const values = [m.channel, m.address, windowMs, isCritical, most, isAlert];
  const [row] = await db.query<{ count: number; waitMs: number }>(room, values);
  return row && row.count >= most ? Math.max(1_000, row.waitMs) : 0;
}

const waiting: Statement = {
  name: 'escalation_message_waiting',
  text: `select m.id, m.code, m.detail, m.recipient, e.alert, e.run, e.facts
    from escalation_message m join escalation e on e.alert = m.alert and e.run = m.run
    where m.channel = $1 and m.address = $2 and m.state = 'held' and m.kind = 'alert' and e.state in ('open', 'exhausted')
    order by m.created_at limit $3`,
};

export type HeldMessage = Pick<ClaimedMessage, 'id' | 'code' | 'detail' | 'recipient' | 'alert' | 'run' | 'facts'>;

/** What else waits for the same address. */
export const heldMessages = (db: Queryable, m: ClaimedMessage, count: number): Promise<HeldMessage[]> =>
  db.query<HeldMessage>(waiting, [m.channel, m.address, count]);

const back: Statement = {
  name: 'escalation_message_back',
  text: `update escalation_message set state = 'waiting', attempts = attempts - 1, due_at = statement_timestamp() where ${own}`,
};

/** It was not tried. */
export const putBack = (db: Queryable, own: Own): Promise<boolean> => run(db, back, own);

const freeAll: Statement = {
  text: `update escalation_message set due_at = statement_timestamp() where state = 'sending'`,
};

/** For a server that knows itself to be the only one: what a killed one was sending is sent again at once. */
export const freeMessages = (db: Queryable): Promise<unknown> => db.query(freeAll);
