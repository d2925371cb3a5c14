// A rule and what happened: what is found.
import type { JsonObject, Resource } from '#fhir-model';
import { isCerebraError, type Log } from '#platform';
import { ageDaysAt } from '../critical/age.ts';
import { analyteIn, bandOf, levelIn, mayBeCritical, whatOf } from '../critical/level.ts';
import type { Finding } from '../seams.ts';
import { missedBefore } from './absence.ts';
import { isDenied } from './claim.ts';
import { type Before, type EarlierPorts, earlierOf } from './earlier.ts';
import { isRecoded, keyOf, leftBehind } from './former.ts';
import {
  encounterOf,
  type Found,
  type Happening,
  isMistake,
  isOfUnknown,
  isWithdrawn,
  referenceOf,
  rulesBehind,
  subjectOf,
  timeOf,
  wroteIt,
} from './happening.ts';
import { insteadOf, isDatedBack, type Passed, unlessNewer } from './instead.ts';
import type { Fact, Memory, SubjectMemory } from './memory.ts';
import { combination, delta, type Looked, place, trend } from './over-time.ts';
import { type Lookups, runQueries } from './query.ts';
import type { ReadyRule } from './ready.ts';
import { overTime, type RuleAction, rankOf, remembers } from './rule.ts';
import { allHold, threshold, type Variables, type Verdict } from './verdict.ts';

export interface EvaluationPorts {
  /** Of the changes that are judged together. */
  lookups: Lookups;
  earlier: EarlierPorts;
  /** Instant from which on all changes are judged, as of a dry run; without it from the first one of a subject on. */
  fromMs?: number;
  /** What a dry run has judged so far. */
  passed?: Passed;
  log: Log;
}

interface Seen {
  ready: ReadyRule;
  happening: Happening;
  /** The resource as it is, or as it last was. */
  resource: Resource;
  withdrawn: boolean;
  subject: string;
  memory: SubjectMemory;
}

/**
 * What the rule makes of it, in order; nothing where it has nothing to say. `memory` is changed. Throws CerebraError `invalid` for
 * an expression that can't be evaluated on this resource, others as the reader does.
 */
export async function evaluate(
  ready: ReadyRule,
  happening: Happening,
  memory: Memory,
  ports: EvaluationPorts,
): Promise<Found[]> {
  const left = leftBehind(ready, happening);
  const ofFormer = left ? await evaluateOne(ready, left, memory, ports) : [];
  return [...ofFormer, ...(await evaluateOne(ready, happening, memory, ports))];
}

async function evaluateOne(
  ready: ReadyRule,
  happening: Happening,
  memory: Memory,
  ports: EvaluationPorts,
): Promise<Found[]> {
  const { rule } = ready;
  const resource = happening.resource ?? happening.previous;
  // A rule that listens for Flags or Tasks would answer itself, for ever where its key tells them apart.
  if (!resource || wroteIt(rule, resource)) return [];
  const subject = subjectOf(rule, resource, happening.previous);
  if (remembers(rule) && isOfUnknown(rule, resource, subject)) return [];
  const withdrawn = !happening.resource || isWithdrawn(happening.resource);
  const seen: Seen = { ready, happening, resource, withdrawn, subject, memory: memory.of(subject) };
  const missed = rule.kind === 'absence' ? await missedBefore(rule, happening, seen, ports) : [];
  const found = rule.kind === 'absence' ? await watchFor(seen, ports) : await judge(seen, memory, ports);
  return found ? [...missed, found] : missed;
}

/** Of all kinds that look at what changed. */
async function judge(seen: Seen, memory: Memory, ports: EvaluationPorts): Promise<Found | undefined> {
  const { happening, withdrawn } = seen;
  const { rule } = seen.ready;
  const triggered = triggersOf(seen);
  const lasting = overTime.has(rule.kind);
  if (lasting) {
    if (!concerns(seen)) return undefined;
    await recall(seen, triggered, memory, ports);
    await lookBack(seen, triggered, ports);
  }
  const isRemoval = isDeletion(happening) && triggered.size > 0;
  if (withdrawn && !lasting && !isRemoval) {
    return findingOf(seen, undefined, { withdrawn: true, ...(await others(seen, ports)) });
  }
  if (rule.kind === 'critical-value') return triggered.size === 0 ? undefined : criticalValue(seen, triggered, ports);
  const found = await worst(seen, triggered, await variablesOf(seen, ports));
  if (found?.state === 'cleared' && isDatedBack(happening)) return unlessNewer(found, await others(seen, ports));
  // That it is gone ends no more than what rested on it.
  return isRemoval && found?.state !== 'raised' ? findingOf(seen, undefined, { withdrawn: true }) : found;
}

/** Of the resource itself; what it leaves behind by a new version is none. */
const isDeletion = ({ op }: Happening): boolean => op === 'delete';

/** What the others of its subject say without it. */
const others = (seen: Seen, ports: EvaluationPorts) =>
  insteadOf(seen, ports, async (one) => {
    const earlier: Seen = { ...seen, happening: one, resource: one.resource!, withdrawn: false };
    const triggered = triggersOf(earlier);
    return triggered.size === 0 ? undefined : worst(earlier, triggered, await variablesOf(earlier, ports));
  });

async function variablesOf(
  { ready: { rule }, resource, happening: { previous } }: Seen,
  { lookups }: EvaluationPorts,
): Promise<Variables> {
  return { resource, previous, ...(await runQueries(rule, { resource, previous }, lookups)) };
}

/**
 * With the first change about a subject the rule remembers what the store had before: afterwards it remembers what it is
 * told. So it does when a version of the rule is in force that may see other values.
 */
async function recall(seen: Seen, triggered: Triggered, memory: Memory, ports: EvaluationPorts): Promise<void> {
  const { ready, happening, resource, subject } = seen;
  const { rule } = ready;
  if (subject === '' || memory.hasRead(subject, rule.version)) return;
  // A deletion of what the rule has never looked at.
  if (triggered.size === 0 && [...seen.memory.facts()].length === 0) return;
  memory.beginWith(subject, rule.version);
  const sinceMs = timeOf(resource, happening.updatedMs) - rule.windowMs;
  const beforeMs = Math.min(ports.fromMs ?? happening.updatedMs, happening.updatedMs);
  for (const one of await readEarlier(seen, { sinceMs, beforeMs }, ports)) rememberEarlier(seen, one);
}

async function readEarlier({ ready: { rule }, resource }: Seen, before: Before, ports: EvaluationPorts) {
  try {
    return await earlierOf(rule, resource, before, ports.earlier);
  } catch (err) {
    if (!isCerebraError(err) || err.status >= 500) throw err;
    ports.log.warn({ rule: rule.id, code: err.code }, 'earlier values can not be read: judged without them');
    return [];
  }
}

/** Of what is withdrawn a rule is told whatever its code was: what it has never looked at says nothing of its values. */
function concerns({ ready: { matcher }, happening, resource, memory }: Seen): boolean {
  const source = referenceOf(happening);
  for (const fact of memory.facts()) if (fact.resource === source) return true;
  return matcher.match(resource, happening.version, happening.updatedMs, () => {}).length > 0;
}

/** How far back the newest value is looked for when one that was alone in its window is withdrawn. */
const lookBackMsMax = 30 * 86_400_000;

/**
 * Where the newest value is withdrawn or moved back, one before it is the newest again, and its window reaches further back
 * than what is remembered: that is read from the store.
 */
async function lookBack(seen: Seen, triggered: Triggered, ports: EvaluationPorts): Promise<void> {
  const { ready, happening, resource, memory, withdrawn } = seen;
  const { windowMs } = ready.rule;
  const source = referenceOf(happening);
  const facts = [...memory.facts()];
  const timeAmong = (some: readonly Fact[]) =>
    some.reduce((ms, { atMs }) => Math.max(ms, atMs), Number.NEGATIVE_INFINITY);
  const formerMs = timeAmong(facts.filter((fact) => fact.resource === source));
  const othersMs = timeAmong(facts.filter((fact) => fact.resource !== source));
  const ownMs = withdrawn || triggered.size === 0 ? Number.NEGATIVE_INFINITY : timeOf(resource, happening.updatedMs);
  const newestMs = Math.max(othersMs, ownMs);
  if (newestMs >= formerMs) return;
  const sinceMs = Math.max(newestMs, formerMs - lookBackMsMax) - windowMs;
  const known = new Set(facts.map((fact) => fact.resource));
  for (const one of await readEarlier(seen, { sinceMs, beforeMs: happening.updatedMs }, ports)) {
    const isForgotten = timeOf(one.resource, one.updatedMs) < formerMs - windowMs;
    if (isForgotten && !known.has(referenceOf(one))) rememberEarlier(seen, one);
  }
}

function rememberEarlier(of: Seen, happening: Happening): void {
  const resource = happening.resource!;
  const { rule } = of.ready;
  const seen: Seen = { ...of, happening, resource, withdrawn: isWithdrawn(resource) };
  try {
    if (wroteIt(rule, resource) || subjectOf(rule, resource) !== of.subject) return;
    const triggered = triggersOf(seen);
    for (const [index, action] of rule.actions.entries()) {
      const triggers = triggered.get(index) ?? noTriggers;
      place(rule.kind, action, index, triggers, lookedOf(seen, triggers), of.memory);
    }
  } catch (error) {
    // Nobody could judge it then: that is no reason not to judge what came now.
    if (!isCerebraError(error) || error.status >= 500) throw error;
  }
}

const noTriggers: ReadonlyMap<number, boolean> = new Map();

/** By action, its triggers that the resource concerns: true unless its own condition does not hold. */
type Triggered = ReadonlyMap<number, ReadonlyMap<number, boolean>>;

function triggersOf({ ready: { rule, matcher }, happening }: Seen): Triggered {
  const found = new Map<number, Map<number, boolean>>();
  const { previous, version, updatedMs } = happening;
  const isGone = isDeletion(happening);
  const resource = isGone ? previous : happening.resource;
  if (!resource || isMistake(resource)) return found;
  const ids = matcher.match(resource, version, updatedMs, (_id, error) => {
    throw error;
  });
  for (const id of ids) {
    const [action = 0, place = 0] = id.split('.').map(Number);
    const trigger = rule.actions[action]!.triggers[place]!;
    if ((trigger.type === 'data-removed') !== isGone) continue;
    if ((trigger.type === 'data-added') !== (version === 1) && ['data-added', 'data-modified'].includes(trigger.type))
      continue;
    const holds = trigger.condition?.holds(resource as JsonObject, { resource, previous }) ?? true;
    const places = found.get(action) ?? new Map<number, boolean>();
    found.set(action, places.set(place, holds));
  }
  return found;
}

/** The most severe of the actions; over only when all are. */
async function worst(seen: Seen, triggered: Triggered, variables: Variables): Promise<Found | undefined> {
  const { rule } = seen.ready;
  const verdicts = rule.actions.map((action, index): [RuleAction, Verdict | undefined] => [
    action,
    verdictOf(seen, action, index, triggered.get(index), variables),
  ]);
  const raised = verdicts
    .filter(([, verdict]) => verdict?.state === 'raised')
    .sort(([a], [b]) => rankOf(b.severity) - rankOf(a.severity))[0];
  if (raised) {
    const holds = verdicts
      .filter(([action, verdict]) => verdict?.state === 'hold' && rankOf(action.severity) > rankOf(raised[0].severity))
      .sort(([a], [b]) => rankOf(b.severity) - rankOf(a.severity))[0]?.[0].severity;
    const found = raise(seen, raised[0], raised[1] as Raised, variables);
    return found && holds !== undefined ? { ...found, holds } : found;
  }
  const said = verdicts.filter(([, verdict]) => verdict !== undefined);
  if (said.length === 0 || said.some(([, verdict]) => verdict?.state === 'hold')) return undefined;
  return findingOf(seen, undefined);
}

type Raised = Extract<Verdict, { state: 'raised' }>;

function verdictOf(
  seen: Seen,
  action: RuleAction,
  index: number,
  triggers: ReadonlyMap<number, boolean> | undefined,
  variables: Variables,
): Verdict | undefined {
  const { resource, memory } = seen;
  const held = isHeld(triggers);
  const looked = lookedOf(seen, triggers);
  switch (seen.ready.rule.kind) {
    case 'delta':
      return also(action, resource, variables, delta(action, index, looked, memory));
    case 'trend':
      return also(action, resource, variables, trend(action, index, looked, memory));
    case 'combination':
      return also(action, resource, variables, combination(action, index, triggers ?? noTriggers, looked, memory));
    case 'claim':
      if (!triggers) return undefined;
      return held && (action.conditions.length > 0 || isDenied(resource))
        ? threshold(action, resource, variables)
        : { state: 'cleared' };
    default:
      if (!triggers) return undefined;
      return held ? threshold(action, resource, variables) : { state: 'cleared' };
  }
}

const isHeld = (triggers: ReadonlyMap<number, boolean> | undefined): boolean =>
  [...(triggers?.values() ?? [])].includes(true);

function lookedOf(
  { happening, resource, withdrawn, ready }: Seen,
  triggers: ReadonlyMap<number, boolean> | undefined,
): Looked {
  const { kind, windowMs } = ready.rule;
  return {
    resource: withdrawn || (kind !== 'combination' && !isHeld(triggers)) ? undefined : resource,
    ...{ previous: happening.previous, source: referenceOf(happening), windowMs },
    atMs: timeOf(resource, happening.updatedMs),
  };
}

/** Conditions beside what the kind looks at must hold too. */
function also(action: RuleAction, resource: Resource, variables: Variables, verdict: Verdict): Verdict {
  if (verdict.state !== 'raised') return verdict;
  return allHold(action.conditions, resource, variables) ? verdict : { state: 'cleared' };
}

function raise(seen: Seen, action: RuleAction, verdict: Raised, variables: Variables): Found | undefined {
  const { resource } = seen;
  const [own] = action.detail?.values(resource as JsonObject, variables) ?? [];
  const detail =
    own === undefined || typeof own === 'object' ? verdict.detail : String(own).slice(0, detailCharactersMax);
  return findingOf(seen, { ...action, detail, evidence: verdict.evidence ?? [referenceOf(seen.happening)] });
}

const detailCharactersMax = 1_000;

type What = Pick<Finding, 'title' | 'severity' | 'detail' | 'evidence'> & Pick<RuleAction, 'code'>;

type More = Pick<Found, 'withdrawn' | 'instead' | 'written'>;

function findingOf(seen: Seen, what: What | undefined, more: More = {}): Found {
  const { happening, resource, subject } = seen;
  const { rule } = seen.ready;
  const { xid, seq, updatedMs } = happening;
  const encounter = encounterOf(resource);
  const causes = rulesBehind(resource);
  return {
    rule: rule.id,
    subject,
    ...(encounter === undefined ? {} : { encounter }),
    key: keyOf(rule, resource, happening),
    state: what ? 'raised' : 'cleared',
    severity: what?.severity ?? 'info',
    title: what?.title ?? rule.title,
    ...(what?.code ? { code: what.code } : {}),
    detail: what?.detail ?? '',
    evidence: what?.evidence ?? [referenceOf(happening)],
    ...(causes.length > 0 ? { causes } : {}),
    atMs: timeOf(resource, updatedMs),
    ...(rule.escalation === undefined ? {} : { escalation: rule.escalation }),
    ...{ instantMs: updatedMs, position: { xid, seq }, source: referenceOf(happening), ...more },
    ...(what && isSuppressed(seen) ? { suppressed: true } : {}),
    ...(isMistaken(seen) ? { mistaken: true } : {}),
  };
}

const isMistaken = ({ resource, happening: { left, previous } }: Seen): boolean =>
  left === true || isMistake(resource) || (previous !== undefined && isRecoded(previous, resource));

const isSuppressed = ({ ready: { rule }, resource, happening }: Seen): boolean =>
  rule.suppress?.holds(resource as JsonObject, { resource, previous: happening.previous }) === true;

async function criticalValue(seen: Seen, triggered: Triggered, ports: EvaluationPorts): Promise<Found> {
  const { resource, subject } = seen;
  const analyte = mayBeCritical(resource) ? analyteIn(resource) : undefined;
  if (!analyte) return findingOf(seen, undefined);
  const ageDays = analyte.bands.length > 1 ? await ageDaysOf(subject, seen, ports) : undefined;
  const level = levelIn(resource, analyte, bandOf(analyte, ageDays));
  const isMeant = level !== undefined && (await isAsked(seen, triggered, ports));
  return findingOf(seen, isMeant ? { ...whatOf(level), evidence: [referenceOf(seen.happening)] } : undefined);
}

/** Whether a trigger and the conditions of one action hold. */
async function isAsked(seen: Seen, triggered: Triggered, ports: EvaluationPorts): Promise<boolean> {
  const { ready, resource } = seen;
  const variables = await variablesOf(seen, ports);
  return [...triggered].some(
    ([index, triggers]) => isHeld(triggers) && allHold(ready.rule.actions[index]!.conditions, resource, variables),
  );
}

/** At the time of the result; undefined where the birth date is not known here. */
async function ageDaysOf(subject: string, { resource, happening }: Seen, { lookups }: EvaluationPorts) {
  const id = /^Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(subject)?.[1];
  const patient = id === undefined ? undefined : await lookups.read('Patient', id);
  return ageDaysAt(patient?.birthDate, timeOf(resource, happening.updatedMs));
}

/** Of a patient whose readings moved away because the record was merged into another one none is awaited there. */
async function watchFor(seen: Seen, { lookups }: EvaluationPorts): Promise<Found | undefined> {
  if (!seen.happening.left || !(await lookups.isGone(seen.subject))) return watch(seen, triggersOf(seen));
  seen.memory.setWatch(undefined);
  return findingOf(seen, undefined, { withdrawn: true });
}

/** A reading came: the next one is awaited. What says that there will be none ends the wait. */
function watch(seen: Seen, triggered: Triggered): Found | undefined {
  const { happening, resource, memory, ready, withdrawn } = seen;
  const held = [...triggered.values()].flatMap((places) => [...places.values()]);
  if (withdrawn || held.length === 0) return undefined;
  const known = memory.watch();
  if (!held.includes(true)) {
    memory.setWatch(undefined);
    return findingOf(seen, undefined);
  }
  const seenMs = timeOf(resource, happening.updatedMs);
  const { windowMs } = ready.rule;
  // What was measured long ago, as in a load of history, says nothing of who is being watched now.
  if ((known && known.seenMs >= seenMs) || seenMs + windowMs <= happening.updatedMs) return undefined;
  memory.setWatch({ seenMs, dueMs: seenMs + windowMs, resource: referenceOf(happening), version: happening.version });
  return findingOf(seen, undefined);
}
