// An alert as its row has it, and what a finding makes of it. Nothing here waits or asks: the dry run takes the same steps.
import { uuidv5 } from '#platform';
import { comparePositions, type Found, type Position } from '../rules/happening.ts';
import { atItsLevel } from '../rules/held-level.ts';
import { type Rule, rankOf } from '../rules/rule.ts';
import type { Alert } from '../seams.ts';
import { quietUntil } from './quiet-hours.ts';

export interface AlertRow extends Alert {
  /** Of (rule, subject, key): 1, 2, 3 … */
  episode: number;
  endedMs?: number;
  acknowledgedMs?: number;
  acknowledgedBy?: string;
  note?: string;
  /** Communications that were written. */
  tells: number;
  /** Silent until then. */
  notifyMs?: number;
  /** The alert that stands for a storm of its like. */
  group?: string;
  position?: Position;
  revision: number;
}

/** What a rule says of its alerts beside its findings. */
export type Policy = Pick<Rule, 'quietHours' | 'storm' | 'owner' | 'acknowledgeWithinMs' | 'detectedIssue'>;

/**
 * raise: there is a new one. update: it goes on, perhaps with another value; `tell`: people have to know. resolve: it is over.
 * follow: it goes on, and nobody has to know; where it got less severe its Flag says so.
 */
export type StepKind = 'raise' | 'update' | 'resolve' | 'follow';

export interface Step {
  kind: StepKind;
  row: AlertRow;
  /** As it was before. */
  before?: AlertRow;
  policy: Policy;
  /** A Communication is written and escalation begins. */
  tell: boolean;
  /** Of what led to it, milliseconds since 1970 UTC. */
  instantMs: number;
  /** What it rested on was entered in error. */
  mistaken?: boolean;
  /** There is a Task from when it was more severe. */
  asked?: boolean;
}

const isOpen = (row: AlertRow | undefined): row is AlertRow => row !== undefined && row.status !== 'resolved';

const namespace = '6f0c4a0e-5d0b-5f6e-9f0a-3a1d5f2c7b41';

/** Flag.id: the same finding of the same episode is the same alert. */
export const alertId = (rule: string, subject: string, key: string, episode: number): string =>
  uuidv5(namespace, ['Flag', rule, subject, key, episode].join('|'));

/** Of a resource that belongs to an alert. */
export const partId = (alert: string, part: string): string => uuidv5(namespace, `${part}|${alert}`);

/** The alert that stands for a storm of a rule's. */
export const stormKey = 'storm';

/** AlertRow.note of what nobody was ever told of: it is none of a storm. */
export const neverRaised = 'Suppressed until it was over';

export interface Surroundings {
  policy: Policy;
  /** Instants at which alerts of the rule were raised, of late. */
  raised: readonly number[];
}

/** What a finding makes of the alert that is there; undefined where it changes nothing. */
export function stepOf(row: AlertRow | undefined, found: Found, around: Surroundings): Step | undefined {
  // What comes after it has been settled already.
  if (row?.position && found.position && comparePositions(found.position, row.position) <= 0) return undefined;
  if (found.state === 'cleared') return isOpen(row) ? clear(row, found, around) : restore(row, found, around);
  if (!isOpen(row)) return raise(row, found, around);
  return row.status === 'suppressed' && !found.suppressed ? speak(row, found, around) : carryOn(row, found, around);
}

function clear(row: AlertRow, found: Found, { policy, raised }: Surroundings): Step | undefined {
  const rests = row.evidence.includes(found.source);
  if (found.withdrawn && !rests) return undefined;
  if (rests && found.instead) return goBack(row, found, found.instead, { policy, raised });
  // A late value says nothing of now.
  if (found.atMs < row.atMs && !rests && !found.ends) return undefined;
  const note = row.status === 'suppressed' ? { note: neverRaised } : {};
  const next: AlertRow = { ...row, ...placed(found), ...note, status: 'resolved', endedMs: found.instantMs };
  delete next.notifyMs;
  const mistaken = found.mistaken === true && rests;
  return { kind: 'resolve', row: next, before: row, policy, tell: false, instantMs: found.instantMs, mistaken };
}

/** What it rests on is gone, and something else is as much: people know of that one, unless it is worse and nothing suppresses it. */
function goBack(row: AlertRow, { position }: Found, instead: Found, around: Surroundings): Step {
  const found = position ? { ...instead, position } : instead;
  if (row.status === 'suppressed') return found.suppressed ? goesOn(row, found, around) : speak(row, found, around);
  const worse = rankOf(found.severity) > rankOf(row.severity);
  if (worse && !found.suppressed) return tellAnew(row, found, around);
  // The text of what is withdrawn would be what a snooze or quiet hours tell when they end.
  return goesOn(row, asKnown({ ...row, detail: '' }, found), around);
}

/** It was over by what is withdrawn by now, so it never was. */
function restore(row: AlertRow | undefined, found: Found, around: Surroundings): Step | undefined {
  const { instead, position, written = [] } = found;
  if (!row || !instead || row.endedMs === undefined || !written.includes(row.endedMs)) return undefined;
  return raise(row, position ? { ...instead, position } : instead, around);
}

const placed = ({ position }: Found): Pick<AlertRow, 'position'> => (position ? { position } : {});

function raise(last: AlertRow | undefined, found: Found, around: Surroundings): Step {
  const episode = (last?.episode ?? 0) + 1;
  const row: AlertRow = {
    ...valuesOf(found),
    ...causesOf(undefined, found),
    ...{ rule: found.rule, subject: found.subject, key: found.key, episode },
    id: alertId(found.rule, found.subject, found.key, episode),
    status: found.suppressed ? 'suppressed' : 'active',
    raisedMs: found.instantMs,
    ...{ tells: 0, revision: 0 },
    ...placed(found),
  };
  return told({ kind: 'raise', row, policy: around.policy, ...silently(found) }, found, around);
}

const silently = ({ instantMs }: Found) => ({ tell: false, instantMs });

const valuesOf = ({ severity, title, code, detail, encounter, evidence, escalation, atMs }: Found) => ({
  ...{ severity, title, detail, evidence, atMs },
  ...(code === undefined ? {} : { code }),
  ...(encounter === undefined ? {} : { encounter }),
  ...(escalation === undefined ? {} : { escalation }),
});

/** With those that have been behind it so far. */
const causesOf = (row: AlertRow | undefined, { causes = [] }: Found) => {
  const all = [...new Set([...(row?.causes ?? []), ...causes])];
  return all.length === 0 ? {} : { causes: all };
};

/** Whether people are told now, later, or by the alert of a storm. */
function told(step: Step, found: Found, { policy, raised }: Surroundings): Step {
  const { row } = step;
  if (row.status === 'suppressed') return step;
  const { storm } = policy;
  const like = storm ? raised.filter((ms) => ms > found.instantMs - storm.windowMs).length : 0;
  if (storm && like >= storm.count && found.key !== stormKey) {
    return { ...step, row: { ...row, group: 'storm' } };
  }
  const quietMs = policy.quietHours && quietUntil(policy.quietHours, row.severity, found.instantMs);
  if (quietMs !== undefined) return { ...step, row: { ...row, notifyMs: quietMs } };
  return { ...step, row: toldAlone(row), tell: true };
}

/** From now on it is told of by itself, and by no storm's alert. */
export function toldAlone({ group: _storm, ...row }: AlertRow): AlertRow {
  return { ...row, tells: row.tells + 1 };
}

/** What was suppressed is so no more. It is raised for everybody only now: a storm is counted, and a Task is due, from here on. */
function speak(row: AlertRow, found: Found, around: Surroundings): Step {
  const next: AlertRow = { ...baseOf(row, found), status: 'active', raisedMs: found.instantMs };
  return told({ kind: 'update', row: next, before: row, policy: around.policy, ...silently(found) }, found, around);
}

/**
 * The same again is silent. Told is what got worse, and a resource that was corrected to another critical value, unless that is
 * suppressed; whoever acknowledged the first has not seen the second.
 */
function carryOn(row: AlertRow, given: Found, around: Surroundings): Step | undefined {
  const rests = row.evidence.includes(given.source);
  const found = rests ? given : atItsLevel(row, given);
  const worse = rankOf(found.severity) > rankOf(row.severity);
  const another = rests && (found.detail !== row.detail || found.title !== row.title);
  // Whoever acknowledged a storm has not seen the alert that joins it now, and nobody else is told of that one.
  const joins = row.key === stormKey && row.status === 'acknowledged';
  const isTold = (worse || another || joins) && !found.suppressed;
  if (found.atMs < row.atMs && !rests && !isTold) return undefined;
  if (isTold) return tellAnew(row, found, around);
  const known = asKnown(row, found);
  // Of a correction that nobody was told of.
  const next = rests && row.status !== 'suppressed' ? { ...known, detail: row.detail } : known;
  return rests && saysTheSame(row, next) ? undefined : goesOn(row, next, around);
}

/**
 * What is suppressed is not known: an alert that was told of stays as severe as it was told, so that what got worse meanwhile is
 * told when it is found again and nothing suppresses it any more.
 */
function asKnown(row: AlertRow, found: Found): Found {
  const isKnown = !found.suppressed || row.status === 'suppressed' || rankOf(found.severity) < rankOf(row.severity);
  if (isKnown) return found;
  const { code: _unknown, ...rest } = found;
  // The text of a worse level under the title of the known one would be what a snooze or quiet hours tell when they end.
  const detail = rankOf(found.severity) > rankOf(row.severity) ? row.detail : found.detail;
  return { ...rest, severity: row.severity, title: row.title, detail, ...(row.code ? { code: row.code } : {}) };
}

/** With the code of what is found, if that has one: the former would be another level's. */
const baseOf = ({ code: _former, ...row }: AlertRow, found: Found): AlertRow => ({
  ...{ ...row, ...valuesOf(found), ...causesOf(row, found), ...placed(found) },
});

const goesOn = (row: AlertRow, found: Found, { policy }: Surroundings): Step => ({
  ...{ kind: 'follow', row: baseOf(row, found), before: row, policy, ...silently(found) },
});

function tellAnew(row: AlertRow, found: Found, around: Surroundings): Step {
  const anew: AlertRow = { ...baseOf(row, found), status: 'active' };
  delete anew.acknowledgedMs;
  delete anew.acknowledgedBy;
  delete anew.notifyMs;
  return told({ kind: 'update', row: anew, before: row, policy: around.policy, ...silently(found) }, found, around);
}

/** Also when it was, and what it rests on: what comes next is judged by that. */
const saysTheSame = (row: AlertRow, found: Found): boolean =>
  found.detail === row.detail &&
  found.severity === row.severity &&
  found.title === row.title &&
  found.atMs === row.atMs &&
  found.evidence.join() === row.evidence.join();
