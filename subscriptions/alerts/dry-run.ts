// What a rule would have raised: it reads the change stream again, with the resources as they were, and takes the steps that
// it would have taken. Nothing is written. https://hl7.org/fhir/R4/plandefinition.html
import {
  type AccessScope,
  type Change,
  type ChangeFeed,
  parseJson,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { CerebraError, type Clock, type Db, isCerebraError, type Log } from '#platform';
import type { Matcher } from '../match/matcher.ts';
import { missedFound } from './rules/absence.ts';
import { evaluate } from './rules/evaluate.ts';
import { createGoneThen } from './rules/gone.ts';
import { type Found, type Happening, overFound } from './rules/happening.ts';
import { createPassed } from './rules/instead.ts';
import { createMemory, type Watch } from './rules/memory.ts';
import { createLookups, type Lookups } from './rules/query.ts';
import type { ReadyRule } from './rules/ready.ts';
import { remembers } from './rules/rule.ts';
import type { Severity } from './seams.ts';
import { foldSteps } from './state/alerts.ts';
import type { AlertRow, Step } from './state/row.ts';

export interface DryRunOptions {
  db: Db;
  feed: ChangeFeed;
  reader: ResourceReader;
  scope: AccessScope;
  clock: Clock;
  log: Log;
}

export interface Fired {
  /** ISO 8601, of the change that raised it. */
  at: string;
  subject: string;
  key: string;
  severity: Severity;
  title: string;
  detail: string;
  evidence: string[];
  /** Why nobody would have been told at once. */
  silent?: 'suppressed' | 'storm' | 'quiet hours';
}

export interface DryRun {
  id: string;
  rule: string;
  state: 'running' | 'done' | 'cancelled' | 'limit' | 'failed';
  from: string;
  to: string;
  /** How far it has come, ISO 8601. */
  upTo: string;
  percent: number;
  /** Changes of all resources that were read, and those that the rule looked at. */
  read: number;
  judged: number;
  raised: number;
  resolved: number;
  /** The first 1,000. */
  fired: Fired[];
  /** Changes that could not be judged, and why the first could not. */
  errors: number;
  error?: string;
  /** What this can't know. */
  note?: string;
}

export interface DryRuns {
  /** Throws `too-many-requests` while another one runs. */
  start(ready: ReadyRule, fromMs: number, toMs: number): DryRun;
  get(id: string): DryRun | undefined;
  /** Resolves when it has ended, or after so long. */
  wait(id: string, waitMs: number): Promise<void>;
  cancel(id: string): boolean;
  stop(): Promise<void>;
}

const changesAtOnce = 500;
const changesMax = 5_000_000;
/** Alerts that it has to know at a time; about 1 kB each. */
const alertsMax = 100_000;
const firedMax = 1_000;
const keptMax = 20;
/** Instants of changes are those of their transactions' begins: they are a little out of order. */
const disorderMs = 600_000;

export function createDryRuns(options: DryRunOptions): DryRuns {
  const runs = new Map<string, DryRun>();
  let running: Promise<void> | undefined;
  /** Ids are numbers of this process; the last one is under way, if one is. */
  let last = 0;
  return {
    start(ready, fromMs, toMs) {
      if (running) {
        const text = `Dry run ${last} is under way: wait until GET /admin/alerts/dry-runs/${last} says that it is done, or DELETE it`;
        throw new CerebraError('too-many-requests', text);
      }
      if (ready.rule.kind === 'failure-rate') {
        throw new CerebraError('unsupported', 'A failure-rate rule looks at no resources: there is no history of it');
      }
      const iso = (ms: number) => new Date(ms).toISOString();
      const run: DryRun = {
        ...{
          id: String(++last),
          rule: ready.rule.id,
          state: 'running',
          from: iso(fromMs),
          to: iso(toMs),
          upTo: iso(fromMs),
        },
        ...{ percent: 0, read: 0, judged: 0, raised: 0, resolved: 0, fired: [], errors: 0 },
        ...(ready.rule.queries.length > 0 ? { note: 'Context queries see the store as it is now, not as it was' } : {}),
      };
      for (const id of [...runs.keys()].slice(0, Math.max(0, runs.size - keptMax + 1))) runs.delete(id);
      runs.set(run.id, run);
      running = replay(options, ready, run, { fromMs, toMs })
        .catch((err: unknown) => {
          run.state = 'failed';
          run.error = isCerebraError(err) ? err.message : 'internal error';
          options.log.error({ err, rule: run.rule }, 'a dry run failed');
        })
        .finally(() => {
          running = undefined;
        });
      return run;
    },
    get: (id) => runs.get(id),
    async wait(id, waitMs) {
      if (!running || runs.get(id)?.state !== 'running') return;
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, waitMs);
      await Promise.race([running, late.promise]);
      clearTimeout(timer);
    },
    cancel(id) {
      const run = runs.get(id);
      if (run?.state !== 'running') return false;
      run.state = 'cancelled';
      return true;
    },
    async stop() {
      for (const run of runs.values()) if (run.state === 'running') run.state = 'cancelled';
      await running;
    },
  };
}

interface Range {
  fromMs: number;
  toMs: number;
}

async function replay(options: DryRunOptions, ready: ReadyRule, run: DryRun, range: Range): Promise<void> {
  const { db, feed } = options;
  const { fromMs, toMs } = range;
  // What was known then of the window before counts, too.
  const startMs = fromMs - Math.max(ready.rule.windowMs, ready.rule.storm?.windowMs ?? 0);
  const virtual = createVirtual(options, ready, run, { fromMs, startMs });
  let cursor = await feed.since(db, startMs);
  while (run.state === 'running') {
    const { changes: batch, more } = await feed.read(db, cursor, changesAtOnce);
    const inside = batch.filter(({ updatedMs }) => updatedMs >= startMs && updatedMs < toMs);
    await virtual.take(inside);
    run.read += batch.length;
    const last = batch.at(-1);
    if (last) {
      cursor = { xid: last.xid, seq: last.seq };
      const upToMs = Math.min(toMs, Math.max(fromMs, last.updatedMs));
      run.upTo = new Date(upToMs).toISOString();
      run.percent = Math.floor(((upToMs - fromMs) / (toMs - fromMs)) * 100);
    }
    if (!more || batch.every(({ updatedMs }) => updatedMs > toMs + disorderMs)) break;
    if (run.read >= changesMax || virtual.alerts() >= alertsMax) run.state = 'limit';
    await new Promise(setImmediate);
  }
  if (run.state !== 'running') return;
  await virtual.finish(toMs);
  run.upTo = run.to;
  run.percent = 100;
  run.state = 'done';
}

/** What is judged from `startMs` on is told from `fromMs` on. */
interface Span {
  startMs: number;
  fromMs: number;
}

/** The rule's alerts and memory, in this process alone. */
function createVirtual(options: DryRunOptions, ready: ReadyRule, run: DryRun, { startMs, fromMs }: Span) {
  const { rule } = ready;
  let memory = createMemory();
  const rows = new Map<string, AlertRow>();
  const raised: number[] = [];
  const lastSeen = new Map<string, Resource>();
  const passed = createPassed(rule);
  let nextDueMs = Number.POSITIVE_INFINITY;
  /** The instant that is judged. */
  let nowMs = startMs;

  const settle = (found: Found) => {
    if (raised.length > 2_000) raised.splice(0, 1_000);
    for (const step of foldSteps(rows, rule, raised, [found])) record(run, step, found.instantMs, fromMs);
  };
  const refused = (error: unknown) => {
    if (!isCerebraError(error) || error.status >= 500) throw error;
    run.errors++;
    run.error ??= error.message;
  };
  const miss = async (subject: string, watch: Watch, dueMs: number, lookups: Lookups) => {
    memory.of(subject).setWatch({ ...watch, dueMs: null });
    nowMs = dueMs;
    const missed = { subject, source: watch.resource, seenMs: watch.seenMs, dueMs, resource: lastSeen.get(subject) };
    try {
      const found = await missedFound(rule, missed, lookups);
      if (found) settle(found);
      else memory.of(subject).setWatch(undefined);
    } catch (error) {
      refused(error);
    }
  };
  /** Readings that had not come by then. */
  const missUntil = async (untilMs: number, lookups: Lookups) => {
    if (untilMs < nextDueMs) return;
    const due = [...memory.subjects()].flatMap((subject) => {
      const watch = memory.of(subject).watch();
      return watch?.dueMs != null && watch.dueMs <= untilMs ? [{ subject, watch, dueMs: watch.dueMs }] : [];
    });
    due.sort((a, b) => a.dueMs - b.dueMs);
    for (const { subject, watch, dueMs } of due) await miss(subject, watch, dueMs, lookups);
    nextDueMs = Number.POSITIVE_INFINITY;
    for (const subject of memory.subjects())
      nextDueMs = Math.min(nextDueMs, memory.of(subject).watch()?.dueMs ?? nextDueMs);
  };
  const judge = async (happening: Happening, lookups: Lookups) => {
    await missUntil(happening.updatedMs, lookups);
    nowMs = happening.updatedMs;
    run.judged++;
    try {
      const ports = { lookups, earlier: options, fromMs: startMs, passed, log: options.log };
      const found = await evaluate(ready, happening, memory, ports);
      for (const one of found) {
        if (rule.kind === 'absence' && one.state === 'cleared' && happening.resource) {
          lastSeen.set(one.subject, happening.resource);
          nextDueMs = Math.min(nextDueMs, memory.of(one.subject).watch()?.dueMs ?? nextDueMs);
        }
        settle(one);
      }
    } catch (error) {
      refused(error);
    }
    passed.take(happening);
  };
  const newLookups = (): Lookups => {
    const goneThen = createGoneThen(options);
    return { ...createLookups(options.reader, options.scope), isGone: (subject) => goneThen(subject, nowMs) };
  };
  /** What is open of a patient who is deleted is over. */
  const endAll = async (subject: string, instantMs: number, lookups: Lookups) => {
    await missUntil(instantMs, lookups);
    const open = [...rows.values()].filter((row) => row.subject === subject && row.status !== 'resolved');
    for (const { key } of open) settle({ ...overFound(rule.id, subject, key, instantMs), ends: true });
    // Each looks at up to 100,000 alerts: others have their turn.
    await new Promise(setImmediate);
  };
  return {
    async take(batch: readonly Change[]): Promise<void> {
      const lookups = newLookups();
      const happenings = await happeningsOf(options, ready, batch);
      for (const { change, happening } of happenings) {
        if (happening) await judge(happening, lookups);
        if (isEnd(change)) await endAll(`Patient/${change.id}`, change.updatedMs, lookups);
      }
      if (remembers(rule)) memory.takeChanges();
      else memory = createMemory();
    },
    alerts: () => rows.size,
    finish: (toMs: number): Promise<void> => missUntil(toMs, newLookups()),
  };
}

/** The deletion of a patient. */
const isEnd = ({ type, op }: Change): boolean => type === 'Patient' && op === 'delete';

/** Those that the rule would have been told of, and what ends its alerts. */
async function happeningsOf(
  { db, feed }: DryRunOptions,
  { rule, matcher, later }: ReadyRule,
  batch: readonly Change[],
) {
  const changes = batch.filter(({ type }) => matcherKnows(rule, type));
  const before = changes.filter(({ version }) => version > 1);
  const keys = before.map(({ type, id, version }) => ({ type, id, version: version - 1 }));
  const texts = before.length === 0 ? [] : await feed.bodies(db, keys);
  const former = new Map(before.map((change, i) => [change, texts[i]!]));
  const told = (change: Change): Happening | undefined => {
    if (!matcherKnows(rule, change.type)) return undefined;
    const { body, ...rest } = change;
    const was = former.get(change) ?? '';
    const isTold =
      change.op === 'delete' ||
      isMet([matcher, later], change, body) ||
      isMet([matcher], { ...change, version: change.version - 1 }, was);
    return isTold ? { ...rest, ...read('resource', body), ...read('previous', was) } : undefined;
  };
  return batch.flatMap((change) => {
    const happening = told(change);
    return happening || isEnd(change) ? [{ change, happening }] : [];
  });
}

const read = (name: 'resource' | 'previous', text: string): Pick<Happening, typeof name> =>
  text === '' ? {} : { [name]: parseJson(text).exact as Resource };

/** Whether one of them matches the version of this text. */
function isMet(
  matchers: readonly Matcher[],
  { type, version, updatedMs }: Pick<Change, 'type' | 'version' | 'updatedMs'>,
  text: string,
): boolean {
  const mayMatch = text === '' ? [] : matchers.filter((one) => one.mayMatch(type, text));
  if (mayMatch.length === 0) return false;
  const resource = parseJson(text).exact as Resource;
  return mayMatch.some((one) => one.match(resource, version, updatedMs, () => {}).length > 0);
}

const matcherKnows = ({ actions }: ReadyRule['rule'], type: string): boolean =>
  actions.some(({ triggers }) => triggers.some(({ query }) => query.type === type));

function record(run: DryRun, step: Step, instantMs: number, fromMs: number): void {
  if (instantMs < fromMs) return;
  const { kind, row } = step;
  if (kind === 'resolve') run.resolved++;
  if (kind !== 'raise') return;
  run.raised++;
  if (run.fired.length >= firedMax) return;
  const { subject, key, severity, title, detail, evidence, raisedMs } = row;
  const silent = silenceOf(row);
  run.fired.push({
    ...{ at: new Date(raisedMs).toISOString(), subject, key, severity, title, detail, evidence },
    ...(silent ? { silent } : {}),
  });
}

function silenceOf({ status, group, notifyMs }: AlertRow): Fired['silent'] {
  if (status === 'suppressed') return 'suppressed';
  if (group !== undefined) return 'storm';
  return notifyMs === undefined ? undefined : 'quiet hours';
}
