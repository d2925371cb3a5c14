// Alerts as they are kept: each finding is settled in one transaction with the resources that tell of it, with what its rule
// remembers, and with the escalation that begins or ends.
import type { AccessScope, ResourceReader, ResourceWriter, TransactionEntry } from '#fhir-model';
import { CerebraError, type Clock, type Db, isCerebraError, type Queryable, type Tx } from '#platform';
import { type Audit, auditEntry } from '../audit.ts';
import { type Found, overFound } from '../rules/happening.ts';
import type { MemoryChanges } from '../rules/memory.ts';
import { rankOf } from '../rules/rule.ts';
import type { Alert, Alerts, Escalation, Finding, Way } from '../seams.ts';
import { quietUntil } from './quiet-hours.ts';
import { acknowledgedEntries, entriesOf, formerTask, taskReference } from './resources.ts';
import { type AlertRow, type Policy, type Step, stepOf, stormKey, toldAlone } from './row.ts';
import { alertKeyOf, latestRows, lockGroup, raisedOf, rowById, saveMemory, saveRow, standsForActive } from './rows.ts';

export interface AlertsOptions {
  db: Db;
  writer: ResourceWriter;
  reader: Pick<ResourceReader, 'read'>;
  scope: AccessScope;
  clock: Clock;
  /** What brings alerts to people; without it nobody is called. */
  escalation?: Escalation | undefined;
  /** What the rule of that id says of its alerts; undefined for one that is not known here. */
  policyOf(rule: string): Promise<Policy | undefined>;
}

export interface AlertKeeper extends Alerts {
  /**
   * Settles what one rule has found, in order, and what it remembers of it. `also` runs in the last transaction. Throws
   * CerebraError as the writer does, `version-conflict` where somebody else was faster.
   */
  apply(rule: string, policy: Policy, found: readonly Found[], more?: More): Promise<Step[]>;
  /** Nobody is told of it until then; it is told anew if it still stands. False when it is not active. */
  snooze(id: string, untilMs: number, by: string): Promise<boolean>;
  /**
   * Somebody ends it by hand: it is over as if what was found were. False when there is no such alert, or it is over. Throws
   * CerebraError `business-rule` for that of a storm that nobody has acknowledged, nor all of what it stands for.
   */
  close(id: string, by: string, note?: string): Promise<boolean>;
  /** What is open of somebody whose record was deleted then is over. */
  endAll(subject: string, instantMs: number): Promise<void>;
  /** Tells of what had to wait. */
  notify(id: string): Promise<boolean>;
}

export interface More {
  memory?: MemoryChanges;
  also?: (tx: Tx) => Promise<void>;
}

const byId = (one: Step, other: Step): number => (one.row.id < other.row.id ? -1 : 1);

const noEscalation: Escalation = { begin: async () => {}, awaitWorse: async () => {}, end: async () => {} };
const stormsMax = 1_000;
/** Of one rule, in one transaction: some 200 resources and what is asked of them. */
const endedAtOnce = 50;
const attemptsMax = 4;

export function createAlerts(options: AlertsOptions): AlertKeeper {
  const { db, clock, policyOf } = options;
  const escalation = options.escalation ?? noEscalation;
  const policy = async (rule: string): Promise<Policy> => (await policyOf(rule)) ?? { detectedIssue: false };
  const write = (entries: TransactionEntry[], within: (tx: Tx) => Promise<void>) => commit(options, entries, within);

  const apply: AlertKeeper['apply'] = async (rule, policy, found, { memory, also } = {}) => {
    const done: Step[] = [];
    const rounds = roundsOf(found);
    for (const [i, round] of rounds.entries()) {
      const taken = await stepsOf(db, rule, policy, round);
      const steps = await Promise.all(taken.map((step) => withTask(options, step)));
      const isLast = i === rounds.length - 1;
      const remembers = isLast && memory !== undefined && hasChanges(memory);
      if (steps.length === 0 && !remembers && !(isLast && also)) continue;
      await write(
        steps.flatMap((step) => [...entriesOf(step), ...clearedAudit(step)]),
        async (tx) => {
          // In the order of their ids, as whoever else changes several: none waits for the other in turn.
          for (const { row } of steps.toSorted(byId)) await saveRow(tx, row);
          if (remembers) await saveMemory(tx, rule, memory);
          if (isLast) await also?.(tx);
          for (const step of steps) await escalate(tx, escalation, step);
        },
      );
      done.push(...steps);
    }
    return done;
  };

  /** Somebody else may change the row at the same moment: then it is looked at again. */
  const change = async (id: string, how: Change): Promise<boolean> => {
    for (let attempt = 1; ; attempt++) {
      const row = await rowById(db, id);
      const next = row && (await how(row, await policy(row.rule)));
      if (!next) return false;
      try {
        await write(next.entries, async (tx) => {
          // Whoever takes care of a storm takes care of what it is made of: all of it in the order of the ids.
          if (row.key === stormKey) await lockGroup(tx, id);
          await saveRow(tx, next.row);
          await next.within?.(tx);
        });
        return true;
      } catch (error) {
        if (attempt === attemptsMax || !isCerebraError(error, 'version-conflict')) throw error;
      }
    }
  };

  const closed = async (row: AlertRow, policy: Policy, by: string, note: string | undefined): Promise<Changed> => {
    const nowMs = clock.now();
    const said = note === undefined ? `Closed by ${by.slice(0, 200)}` : `Closed by ${by.slice(0, 200)}: ${note}`;
    const next: AlertRow = { ...row, status: 'resolved', endedMs: nowMs, note: said.slice(0, 2_000) };
    delete next.notifyMs;
    const step: Step = { kind: 'resolve', row: next, before: row, policy, tell: false, instantMs: nowMs };
    const audit = auditOf(row, policy, { kind: 'alert-closed', by, atMs: nowMs, detail: { way: 'api' } });
    return {
      ...{ row: next, entries: [...entriesOf(await withTask(options, step)), auditEntry(audit)] },
      within: (tx) => escalation.end(tx, row.id, 'closed'),
    };
  };

  return {
    apply,
    async settle(findings) {
      for (const finding of findings) {
        await apply(finding.rule, await policy(finding.rule), [foundOf(finding, clock.now())]);
      }
    },
    acknowledge(id, by, note, how) {
      const one = (each: string): Promise<boolean> =>
        change(each, async (row, policy) => {
          if (row.status !== 'active' || (await how?.holds?.()) === false) return undefined;
          // Those of a storm that were told before they joined it, as some may meanwhile, have a Task and call people of their own.
          const told = row.key === stormKey ? await db.query<{ id: string }>(toldInGroup, [each]) : [];
          for (const member of told) await one(member.id);
          const asked = await isAsked(options, row, policy);
          return acknowledged(row, { by, note, how, asked, nowMs: clock.now() }, policy, escalation);
        });
      return one(id);
    },
    snooze: (id, untilMs, by) =>
      change(id, (row, policy) => {
        // Of one that was acknowledged nobody is told anew: what has been promised here would never come.
        if (row.status !== 'active') return undefined;
        // Who would be told in quiet hours is told when they end, as if it came then.
        const quietMs = policy.quietHours && quietUntil(policy.quietHours, row.severity, untilMs);
        const notifyMs = quietMs ?? untilMs;
        const next: AlertRow = { ...row, notifyMs, note: `Snoozed by ${by}` };
        const audit = auditOf(row, policy, { kind: 'alert-snoozed', by, atMs: clock.now(), detail: untilOf(notifyMs) });
        return { row: next, entries: [auditEntry(audit)], within: (tx) => escalation.end(tx, id, 'closed') };
      }),
    close: (id, by, note) =>
      change(id, async (row, policy) => {
        if (row.status === 'resolved') return undefined;
        if (row.key === stormKey && row.status === 'active') await assertCared(db, id);
        return closed(row, policy, by, note);
      }),
    async endAll(subject, instantMs) {
      const open = await db.query<{ rule: string; key: string }>(openOf, [subject]);
      for (const [rule, alerts] of Map.groupBy(open, (one) => one.rule)) {
        const found = alerts.map(({ key }): Found => ({ ...overFound(rule, subject, key, instantMs), ends: true }));
        for (let at = 0; at < found.length; at += endedAtOnce) {
          await apply(rule, await policy(rule), found.slice(at, at + endedAtOnce));
        }
      }
    },
    notify: (id) =>
      change(id, (row, policy) => {
        if (row.status !== 'active' || row.notifyMs === undefined || row.notifyMs > clock.now()) return undefined;
        const { notifyMs: _waited, ...rest } = row;
        const next = toldAlone(rest);
        const step: Step = { kind: 'update', row: next, before: row, policy, tell: true, instantMs: clock.now() };
        return { row: next, entries: entriesOf(step), within: (tx) => escalation.begin(tx, alertOf(next)) };
      }),
    async read(id) {
      const row = await rowById(db, id);
      return row && alertOf(row);
    },
  };
}

const openOf = {
  name: 'alert_open_of',
  text: `select rule, key from alert where subject = $1 and status <> 'resolved' order by id`,
};

interface Changed {
  row: AlertRow;
  entries: TransactionEntry[];
  within?: (tx: Tx) => Promise<void>;
}

/** Asked for again when somebody else has changed the row meanwhile. */
type Change = (row: AlertRow, policy: Policy) => Changed | undefined | Promise<Changed | undefined>;

interface Acknowledgment {
  by: string;
  note: string | undefined;
  how: Way | undefined;
  asked: boolean;
  nowMs: number;
}

function acknowledged(
  row: AlertRow,
  { by, note, how = { way: 'api' }, asked, nowMs }: Acknowledgment,
  policy: Policy,
  escalation: Escalation,
): Changed {
  const { notifyMs: _waits, ...rest } = row;
  const next: AlertRow = {
    ...rest,
    ...{ status: 'acknowledged', acknowledgedMs: nowMs, acknowledgedBy: by.slice(0, 200) },
    ...(note === undefined ? {} : { note: note.slice(0, 2_000) }),
  };
  const within = async (tx: Tx) => {
    await escalation.end(tx, row.id, 'acknowledged');
    if (row.key === stormKey) await tx.query(acknowledgeGroup, [row.id, nowMs, by.slice(0, 200)]);
  };
  const { way, through, name } = how;
  const audit = auditOf(row, policy, { kind: 'alert-acknowledged', by, name, atMs: nowMs, detail: { way } }, through);
  return { row: next, entries: [...acknowledgedEntries(next, { policy, asked }), auditEntry(audit)], within };
}

type Done = Omit<Audit, 'key' | 'alert'>;

/** A row's revision is changed once: so is what is told of that change. */
function auditOf(row: AlertRow, policy: Policy, done: Done, through?: string): Audit {
  const about = new Set([...taskReference(row, policy), ...(through === undefined ? [] : [through])]);
  about.delete(`Flag/${row.id}`);
  return { ...done, key: `${row.id}|${row.revision}`, alert: row, about: [...about] };
}

const untilOf = (ms: number) => ({ until: new Date(ms).toISOString() });

/** Its escalation ends, and nobody has acted. */
function clearedAudit({ kind, row, before, policy }: Step): TransactionEntry[] {
  const ends = kind === 'resolve' && before?.status === 'active' && before.tells > 0 && row.escalation !== undefined;
  const done: Done = { kind: 'alert-cleared', atMs: row.endedMs ?? row.raisedMs, detail: {} };
  return ends ? [auditEntry(auditOf(before, policy, done))] : [];
}

/** Whether it has a Task although nobody would be asked at its severity. */
async function isAsked({ reader, scope }: AlertsOptions, row: AlertRow, policy: Policy): Promise<boolean> {
  const task = formerTask(row, policy);
  const stored = task === undefined ? undefined : await reader.read('Task', task, scope);
  return stored !== undefined && !stored.deleted;
}

const withTask = async (options: AlertsOptions, step: Step): Promise<Step> =>
  step.kind === 'resolve' ? { ...step, asked: await isAsked(options, step.row, step.policy) } : step;

const toldInGroup = {
  name: 'alert_told_in_group',
  text: `select id from alert where group_id = $1 and status = 'active' and tells > 0 and notify_at is null order by id`,
};

/** Of what a storm stands for nobody else is told: it is not closed over that. */
async function assertCared(db: Queryable, storm: string): Promise<void> {
  if (!(await standsForActive(db, storm))) return;
  const why = 'it stands for alerts that nobody has acknowledged, and nobody else is told of those';
  throw new CerebraError('business-rule', `It can not be closed: ${why}. Acknowledge it, and them with it`);
}

/** Whoever takes care of a storm takes care of what it is made of, but for what got worse since, and is told of when quiet hours end. */
const acknowledgeGroup = {
  name: 'alert_acknowledge_group',
  text: `update alert set status = 'acknowledged', acknowledged_at = to_timestamp($2::float8 / 1000), acknowledged_by = $3,
      revision = revision + 1 where group_id = $1 and status = 'active' and notify_at is null`,
};

async function commit(
  { db, writer, scope }: Pick<AlertsOptions, 'db' | 'writer' | 'scope'>,
  entries: TransactionEntry[],
  within: (tx: Tx) => Promise<void>,
): Promise<void> {
  if (entries.length === 0) await db.tx(within);
  else await writer.transaction(entries, { scope, within });
}

async function escalate(tx: Tx, escalation: Escalation, { kind, row, before, tell }: Step): Promise<void> {
  const worse = before !== undefined && rankOf(row.severity) > rankOf(before.severity);
  if (tell) await escalation.begin(tx, alertOf(row), worse);
  else if (kind === 'update' && worse && row.notifyMs !== undefined)
    await escalation.awaitWorse(tx, row.id, row.severity);
  else if (kind === 'resolve' && (before?.tells ?? 0) > 0) await escalation.end(tx, row.id, 'cleared');
}

const hasChanges = ({ read, facts, watches }: MemoryChanges): boolean =>
  read.length + facts.length + watches.length > 0;

/** Parts in which no alert is touched twice: one transaction can change a resource once. */
function roundsOf(found: readonly Found[]): Found[][] {
  const rounds: Found[][] = [];
  let keys = new Set<string>();
  for (const one of found) {
    const key = alertKeyOf(one);
    if (rounds.length === 0 || keys.has(key)) {
      rounds.push([]);
      keys = new Set();
    }
    keys.add(key);
    rounds.at(-1)!.push(one);
  }
  return rounds.length === 0 ? [[]] : rounds;
}

async function stepsOf(db: Queryable, rule: string, policy: Policy, found: readonly Found[]): Promise<Step[]> {
  if (found.length === 0) return [];
  const storm = { rule, subject: '', key: stormKey };
  const rows = await latestRows(db, [...found, ...(policy.storm ? [storm] : [])]);
  const raised = policy.storm ? await raisedAround(db, rule, policy.storm.windowMs, found) : [];
  return foldSteps(rows, policy, raised, found);
}

const raisedAround = (db: Queryable, rule: string, windowMs: number, found: readonly Found[]) =>
  raisedOf(db, rule, Math.min(...found.map(({ instantMs }) => instantMs)) - windowMs, stormsMax);

/** What the findings make of the rows, which are changed with them. `raised` grows. */
export function foldSteps(
  rows: Map<string, AlertRow>,
  policy: Policy,
  raised: number[],
  found: readonly Found[],
): Step[] {
  const steps: Step[] = [];
  let storm: Step | undefined;
  for (const one of found) {
    const step = stepOf(rows.get(alertKeyOf(one)), one, { policy, raised });
    if (!step) continue;
    if (step.row.group === 'storm') {
      const stormFound = stormOf(one, raised, policy, rows);
      const next = stepOf(rows.get(alertKeyOf(stormFound)), stormFound, { policy, raised: [] });
      storm = storm && next ? together(storm, next) : (storm ?? next);
      const current = storm?.row ?? rows.get(alertKeyOf(stormFound))!;
      rows.set(alertKeyOf(stormFound), current);
      step.row.group = current.id;
    }
    const spoke = step.kind === 'raise' || step.before?.status === 'suppressed';
    if (spoke && step.row.status !== 'suppressed') raised.push(step.row.raisedMs);
    rows.set(alertKeyOf(one), step.row);
    steps.push(step);
  }
  return storm ? [...steps, storm] : steps;
}

/** Two steps of a storm's alert that are taken at once: it is told once, as it is after the second. */
function together(first: Step, second: Step): Step {
  const kind = first.kind === 'follow' ? second.kind : first.kind;
  const tells = first.tell ? first.row.tells : second.row.tells;
  return { ...first, kind, tell: first.tell || second.tell, row: { ...second.row, tells } };
}

/** The alert that stands for many of a rule's, as severe as the worst of them until it is acknowledged; its position would be another's. */
function stormOf(found: Found, raised: readonly number[], { storm }: Policy, rows: Map<string, AlertRow>): Found {
  const { position: _place, encounter: _visit, code: _code, ...rest } = found;
  const count = raised.filter((ms) => ms > found.instantMs - storm!.windowMs).length + 1;
  const minutes = Math.round(storm!.windowMs / 60_000);
  const key = { subject: '', key: stormKey };
  const last = rows.get(alertKeyOf({ rule: found.rule, ...key }));
  const isWorse = last?.status === 'active' && rankOf(last.severity) > rankOf(found.severity);
  // Also by a late value its row is changed: who acknowledges or ends it at that moment has to look again.
  const atMs = last && last.status !== 'resolved' ? Math.max(last.atMs, found.atMs) : found.atMs;
  return {
    ...{ ...rest, ...key, atMs, state: 'raised', source: '', evidence: [] },
    ...(isWorse ? { severity: last.severity, title: last.title } : { title: `Many alerts: ${found.title}` }),
    detail: `${count} alerts within ${minutes} min`,
  };
}

const foundOf = (finding: Finding, nowMs: number): Found => ({
  ...finding,
  ...{ instantMs: nowMs, source: finding.evidence[0] ?? '' },
});

function alertOf(row: AlertRow): Alert {
  const {
    id,
    rule,
    subject,
    encounter,
    key,
    severity,
    title,
    code,
    detail,
    evidence,
    atMs,
    escalation,
    status,
    raisedMs,
  } = row;
  return {
    ...{ id, rule, subject, key, severity, title, detail, evidence, atMs, status, raisedMs },
    ...(encounter === undefined ? {} : { encounter }),
    ...(code === undefined ? {} : { code }),
    ...(escalation === undefined ? {} : { escalation }),
  };
}
