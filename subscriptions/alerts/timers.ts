// What alerts owe to time alone: readings that did not come, quiet hours that end, storms that are over, rules that were
// retired, and the rate at which messages fail. Everything that waits is a row: a restart loses nothing.
import { type AccessScope, type ChangeFeed, parseJson, type Resource, type ResourceReader } from '#fhir-model';
import { CerebraError, type Clock, type Db, isCerebraError, type Log, type Statement, type Tx } from '#platform';
import type { RuleSet } from './rule-set.ts';
import { dueOf, missedFound, versionOf } from './rules/absence.ts';
import { type Found, overFound } from './rules/happening.ts';
import { createLookups } from './rules/query.ts';
import { type ReadyRule, ruleSubscriber } from './rules/ready.ts';
import { type Rule, rankOf } from './rules/rule.ts';
import type { AlertKeeper } from './state/alerts.ts';
import { type Policy, stormKey } from './state/row.ts';
import { wasRaised } from './state/rows.ts';

/** Messages of one feed since an instant. */
export interface FeedFailures {
  feed: string;
  failed: number;
  total: number;
}

export interface TimerOptions {
  db: Db;
  feed: ChangeFeed;
  reader: ResourceReader;
  scope: AccessScope;
  clock: Clock;
  rules: RuleSet;
  alerts: AlertKeeper;
  /** Up to when all changes have been dispatched, milliseconds since 1970 UTC; undefined where that is not known. */
  caughtUpMs(): number | undefined;
  /** How messages fare; without it failure-rate rules find nothing. */
  failures?: ((sinceMs: number) => Promise<FeedFailures[]>) | undefined;
  log: Log;
}

export interface Timers {
  /** What is due by now. True: there may be more. */
  run(): Promise<boolean>;
}

const rowsAtOnce = 100;
const failuresEveryMs = 5_000;
const tidyEveryMs = 5_000;
/**
 * A change is dated before it is committed, and open transactions are looked for once a second: one that was dated in time may show
 * later than what came after it.
 */
const shownLateMs = 3_000;

export function createTimers(options: TimerOptions): Timers {
  let failuresMs = Number.NEGATIVE_INFINITY;
  let tidiedMs = Number.NEGATIVE_INFINITY;
  /** Where the last page of alerts whose rule is gone ended; undefined to begin with the first. */
  let retiredAfter: Retired | undefined;
  /** Of absence rules, the version by whose window is waited. */
  const windows = new Map<string, number>();
  const failed = { notices: new Set<string>(), watches: new Set<string>() };
  return {
    async run() {
      const nowMs = options.clock.now();
      const more = [await notifyDue(options, nowMs, failed.notices), await missDue(options, failed.watches)];
      if (Math.abs(nowMs - tidiedMs) >= tidyEveryMs) {
        tidiedMs = nowMs;
        await redateWatches(options, nowMs, windows);
        await endStorms(options, nowMs);
        retiredAfter = await closeRetired(options, nowMs, retiredAfter);
        if (retiredAfter !== undefined) {
          tidiedMs = Number.NEGATIVE_INFINITY;
          more.push(true);
        }
      }
      if (options.failures && Math.abs(nowMs - failuresMs) >= failuresEveryMs) {
        failuresMs = nowMs;
        await watchFailures(options, nowMs);
      }
      return more.includes(true);
    },
  };
}

const dueNotices: Statement = {
  name: 'alert_due_notices',
  text: `select id from alert where notify_at <= to_timestamp($1::float8 / 1000) and status = 'active' and id <> all ($3)
    order by notify_at limit $2`,
};

async function notifyDue({ db, alerts, log }: TimerOptions, nowMs: number, failed: Set<string>): Promise<boolean> {
  const due = await db.query<{ id: string }>(dueNotices, [nowMs, rowsAtOnce, [...failed]]);
  const now = await eachAlone(due, ({ id }) => alerts.notify(id), log);
  return passOver(
    failed,
    due.length,
    now.map(({ id }) => id),
  );
}

/**
 * What fails is the first of what is due each time: as many of it as are looked at at once would hold up all that comes after. It is
 * passed over until that has been looked at, too. True: the next ones are to be looked at now.
 */
function passOver(failed: Set<string>, looked: number, now: readonly string[]): boolean {
  if (looked < rowsAtOnce) {
    failed.clear();
    return false;
  }
  for (const one of now) failed.add(one);
  return now.length < looked;
}

interface DueWatch {
  rule: string;
  subject: string;
  due_at: number;
  seen_at: number;
  resource: string;
  version: number;
}

// Only of rules that have judged all that they were sent: the reading may be among what they have not.
const dueWatches: Statement = {
  name: 'alert_due_watches',
  text: `select w.rule, w.subject, w.due_at, w.seen_at, w.resource, w.version from alert_watch w
    join subscriber s on s.id = 'alert:' || w.rule and s.state = 'active' and s.done_number = s.last_number
    where w.due_at <= to_timestamp($1::float8 / 1000) and (w.rule || ' ' || w.subject) <> all ($3)
    order by w.due_at limit $2`,
};

async function missDue(options: TimerOptions, failed: Set<string>): Promise<boolean> {
  const caughtUpMs = options.caughtUpMs();
  if (caughtUpMs === undefined) return false;
  const due = await options.db.query<DueWatch>(dueWatches, [caughtUpMs - shownLateMs, rowsAtOnce, [...failed]]);
  const missOne = async (watch: DueWatch) => {
    const ready = await options.rules.inForce(watch.rule);
    if (ready?.rule.kind === 'absence') await missOrWait(options, ready, watch);
    else await options.db.query(dropWatch, [watch.rule, watch.subject, watch.due_at]);
  };
  const now = await eachAlone(due, missOne, options.log);
  return passOver(
    failed,
    due.length,
    now.map(({ rule, subject }) => `${rule} ${subject}`),
  );
}

// A window that was made shorter, by which somebody has been missed already: that is found now.
const redate: Statement = {
  name: 'alert_redate_watches',
  text: `update alert_watch w set due_at = n.due_at
    from alert_watch o, lateral (select greatest(o.seen_at + $2 * interval '1 millisecond',
      least(o.due_at, to_timestamp($3::float8 / 1000))) as due_at) n
    where o.rule = $1 and o.due_at is not null and o.due_at <> n.due_at
      and w.rule = o.rule and w.subject = o.subject and w.due_at = o.due_at`,
};

/** Whoever is waited for by the window of a former version of a rule is waited for by that of now. */
async function redateWatches({ db, rules }: TimerOptions, nowMs: number, known: Map<string, number>): Promise<void> {
  for (const { rule } of await rules.all()) {
    if (rule.kind !== 'absence' || known.get(rule.id) === rule.version) continue;
    await db.query(redate, [rule.id, rule.windowMs, nowMs]);
    known.set(rule.id, rule.version);
  }
}

async function missOrWait(options: TimerOptions, ready: ReadyRule, watch: DueWatch): Promise<void> {
  const { rule, due_at: dueMs, seen_at: seenMs } = watch;
  if (dueOf(ready.rule, { seenMs, dueMs })! > dueMs) await options.db.query(redate, [rule, ready.rule.windowMs, dueMs]);
  else await miss(options, ready, watch);
}

/** One that fails is tried again with the next run and holds up no other; yields those. Throws when the database is away. */
async function eachAlone<T>(all: readonly T[], how: (one: T) => Promise<unknown>, log: Log): Promise<T[]> {
  const failed: T[] = [];
  for (const one of all) {
    try {
      await how(one);
    } catch (err) {
      if (isCerebraError(err) && err.status === 503) throw err;
      failed.push(one);
      log.error({ err }, 'what an alert owes to time failed: it will be tried again');
    }
  }
  return failed;
}

const dropWatch: Statement = {
  name: 'alert_drop_due_watch',
  text: `delete from alert_watch where rule = $1 and subject = $2 and due_at = to_timestamp($3::float8 / 1000)`,
};
const missWatch: Statement = {
  name: 'alert_miss_watch',
  text: `update alert_watch set due_at = null where rule = $1 and subject = $2 and due_at = to_timestamp($3::float8 / 1000)`,
};

/** The reading did not come: that is told once, unless the rule's conditions say that nobody waits for it any more. */
async function miss(options: TimerOptions, { rule }: ReadyRule, watch: DueWatch): Promise<void> {
  const { db, alerts, log } = options;
  const values = [watch.rule, watch.subject, watch.due_at];
  try {
    const found = await dueFound(options, rule, watch);
    if (!found) return void (await db.query(dropWatch, values));
    const also = async (tx: Tx) => {
      if ((await tx.queryCount(missWatch, values)) === 1) return;
      throw new CerebraError('version-conflict', 'A reading came meanwhile');
    };
    await alerts.apply(rule.id, rule, [found], { also });
  } catch (err) {
    if (isCerebraError(err, 'version-conflict')) return;
    if (!isCerebraError(err) || err.status >= 500) throw err;
    log.error({ err, rule: rule.id }, 'a missing reading could not be judged');
    await db.query(missWatch, values);
  }
}

async function dueFound(options: TimerOptions, rule: Rule, watch: DueWatch): Promise<Found | undefined> {
  const { resource: source, version, subject } = watch;
  const [body] = await options.feed.bodies(options.db, [versionOf(source, version)]);
  const resource = body ? (parseJson(body).exact as Resource) : undefined;
  const lookups = createLookups(options.reader, options.scope);
  return missedFound(rule, { subject, source, seenMs: watch.seen_at, dueMs: watch.due_at, resource }, lookups);
}

// In the order of the index, with a count, which is planned for all it reads, and by the collation of the index on group_id,
// which is not that of id: PostgreSQL looked for the first storm, without statistics, and for the first alert of each, always,
// through all alerts there ever were, 50 ms of 300,000 every five seconds.
export const openStorms: Statement = {
  name: 'alert_open_storms',
  text: `select s.id, s.revision, s.rule, coalesce((select max(raised_at) from alert where rule = s.rule and key <> '${stormKey}' and ${wasRaised}),
      s.raised_at) as last,
      s.status = 'active' and (select count(*) from alert m
        where m.group_id = s.id collate "default" and m.status = 'active') > 0 as stands
    from alert s where s.key = '${stormKey}' and s.status <> 'resolved' order by s.rule limit $1`,
};

// The row that has just been written as it was read for openStorms: whatever joins a storm, or acts on it, changes it.
const endedAsRead: Statement = {
  name: 'alert_storm_ended_as_read',
  text: 'select 1 from alert where id = $1 and revision = $2 + 1',
};

interface OpenStorm {
  id: string;
  revision: number;
  rule: string;
  last: number;
  /** Nobody has acknowledged it, nor all of what it stands for: of that nobody would be told any more. */
  stands: boolean;
}

/** A storm is over when for its window nothing was raised, and somebody cares for what still stands of it. */
async function endStorms({ db, rules, alerts, log }: TimerOptions, nowMs: number): Promise<void> {
  const endOne = async ({ id, revision, rule, last, stands }: OpenStorm) => {
    const ready = await rules.inForce(rule);
    if (ready && (stands || last > nowMs - (ready.rule.storm?.windowMs ?? 0))) return;
    const also = async (tx: Tx) => {
      if ((await tx.query(endedAsRead, [id, revision])).length === 1) return;
      throw new CerebraError('version-conflict', 'Something has joined the storm meanwhile');
    };
    const over = { ...overFound(rule, '', stormKey, nowMs), ends: true as const };
    try {
      await alerts.apply(rule, ready?.rule ?? noPolicy, [over], { also });
    } catch (err) {
      // The next run looks again.
      if (!isCerebraError(err, 'version-conflict')) throw err;
    }
  };
  await eachAlone(await db.query<OpenStorm>(openStorms, [rowsAtOnce]), endOne, log);
}

const noPolicy: Policy = { detectedIssue: false };

interface Retired {
  id: string;
  rule: string;
  subject: string;
  key: string;
  /** Names the text of the rule when it was last in force. */
  endpoint: string;
}

// Whatever is no subscriber of the stream is left alone; so is what has been put and is not yet registered: it has no row.
const retired: Statement = {
  name: 'alert_retired',
  text: `select a.id, a.rule, a.subject, a.key, s.endpoint from subscriber s
    cross join lateral (select id, rule, subject, key from alert
      where rule = substr(s.id, 7) and status <> 'resolved' and (rule, id) > ($1, $2) order by rule, id limit $3) a
    where s.id like 'alert:%' and s.state <> 'active' order by a.rule, a.id limit $3`,
};
const stillRetired: Statement = {
  name: 'alert_still_retired',
  text: `select 1 from subscriber where id = $1 and state <> 'active'`,
};
// What a batch that is being judged has locked is left to the next run: it writes facts before watches, and in its own order.
const forget = (table: string): Statement => ({
  name: `${table}_forget`,
  text: `delete from ${table} where ctid in (select ctid from ${table} where rule in (
      select substr(id, 7) from subscriber where id like 'alert:%' and state = 'deleted') for update skip locked)`,
});
const forgetFacts = forget('alert_fact');
const forgetWatches = forget('alert_watch');

/**
 * What a rule that is no more in force has raised is over, and what it remembered is forgotten. Returns where the next page begins;
 * undefined where this was the last.
 */
async function closeRetired(options: TimerOptions, nowMs: number, after?: Retired): Promise<Retired | undefined> {
  const { db, log } = options;
  const rows = await db.query<Retired>(retired, [after?.rule ?? '', after?.id ?? '', rowsAtOnce]);
  await eachAlone(rows, (one) => closeOne(options, nowMs, one), log);
  if (rows.length === rowsAtOnce) return rows.at(-1);
  await db.query(forgetFacts);
  await db.query(forgetWatches);
  return undefined;
}

async function closeOne(options: TimerOptions, nowMs: number, { rule, subject, key, endpoint }: Retired) {
  const also = async (tx: Tx) => {
    if ((await tx.query(stillRetired, [ruleSubscriber(rule)])).length === 1) return;
    throw new CerebraError('version-conflict', 'The rule is in force again');
  };
  const policy = await lastPolicy(options, endpoint);
  try {
    await options.alerts.apply(rule, policy, [{ ...overFound(rule, subject, key, nowMs), ends: true }], { also });
  } catch (err) {
    // Somebody else is at it: the next run looks again.
    if (!isCerebraError(err, 'version-conflict')) throw err;
  }
}

/** What the rule said of its alerts last: whether there is a Task to cancel. Its text may be gone, or be refused by now. */
async function lastPolicy({ rules }: TimerOptions, endpoint: string): Promise<Policy> {
  try {
    return (await rules.ready(endpoint))?.rule ?? noPolicy;
  } catch (err) {
    if (!isCerebraError(err) || err.status >= 500) throw err;
    return noPolicy;
  }
}

const openFeeds: Statement = {
  name: 'alert_open_feeds',
  text: `select distinct key as feed from alert where rule = $1 and subject = '' and key <> '${stormKey}' and status <> 'resolved'`,
};

/** Those of the window; of a feed that has fallen silent since it failed nothing failed within it. */
async function feedsOf({ db, failures }: TimerOptions, { id, windowMs }: Rule, nowMs: number): Promise<FeedFailures[]> {
  const feeds = await failures!(nowMs - windowMs);
  const known = new Set(feeds.map(({ feed }) => feed));
  const open = await db.query<{ feed: string }>(openFeeds, [id]);
  const silent = open.filter(({ feed }) => !known.has(feed));
  return [...feeds, ...silent.map(({ feed }) => ({ feed, failed: 0, total: 0 }))];
}

async function watchFailures(options: TimerOptions, nowMs: number): Promise<void> {
  const rules = (await options.rules.all()).filter(({ rule }) => rule.kind === 'failure-rate');
  for (const { rule } of rules) {
    const feeds = await feedsOf(options, rule, nowMs);
    await options.alerts.apply(
      rule.id,
      rule,
      feeds.map((feed) => failureFound(rule, feed, nowMs)),
    );
  }
}

/** What a rule makes of how one feed fares: the most severe of its actions that applies. */
function failureFound(rule: Rule, { feed, failed, total }: FeedFailures, nowMs: number): Found {
  const percent = total === 0 ? 0 : (failed / total) * 100;
  const [action] = rule.actions
    .filter(({ failures }) => failed >= failures!.count && percent >= failures!.percent)
    .sort((a, b) => rankOf(b.severity) - rankOf(a.severity));
  const over = overFound(rule.id, '', feed, nowMs);
  if (!action) return over;
  const minutes = Math.round(rule.windowMs / 60_000);
  return {
    ...over,
    ...{ state: 'raised', severity: action.severity, title: action.title },
    ...(action.code ? { code: action.code } : {}),
    detail: `${feed}: ${failed} of ${total} messages failed within ${minutes} min`,
    ...(rule.escalation === undefined ? {} : { escalation: rule.escalation }),
  };
}
