// What the rules of replay-rules.ts must have raised, told and ended, from the stored versions of Observations in the order of
// the change stream: written from docs/alerts.md, with nothing of the server's own.
import type { JsonObject, Resource } from '#fhir-model';
import {
  pulseLimits,
  type ReplayRule,
  riseTenths,
  scoreLimits,
  shockLimits,
  trendLimit,
  windowSeconds,
} from './replay-rules.ts';

/** A version of an Observation, in the order of the stream. Of a deletion `resource` is what was deleted. */
export interface StoredObservation {
  resource: Resource;
  deleted: boolean;
  updatedMs: number;
}

export interface PlainAlert {
  rule: ReplayRule;
  patient: string;
  raisedMs: number;
  endedMs?: number;
  /** Place among the levels of the rule; and at each telling: when, and the level then. */
  level: number;
  tellings: { atMs: number; level: number }[];
  evidence: string[];
  /** What it rested on was entered in error. */
  mistaken: boolean;
  /** Clinical time of what it rests on. */
  atMs: number;
  says: string;
}

interface Reading {
  id: string;
  patient: string;
  atMs: number;
  updatedMs: number;
  code: string;
  /** Undefined where there is none, as of an incomplete score. */
  value: number | undefined;
  stands: boolean;
  mistaken: boolean;
}

const sources: Record<string, string> = {
  '8867-4': 'pulse',
  '8310-5': 'temperature',
  '9279-1': 'respiration',
  '85354-9': 'pressure',
  '59408-5': 'saturation',
};
const minuteMs = 60_000;

const codesOf = (concept: unknown): string[] =>
  (((concept as JsonObject | undefined)?.coding ?? []) as JsonObject[]).map(({ code }) => String(code));
const quantityOf = (one: JsonObject | undefined) => (one?.valueQuantity as JsonObject | undefined)?.value;

function readingOf({ resource, deleted, updatedMs }: StoredObservation): Reading | undefined {
  const tags = ((resource.meta as JsonObject | undefined)?.tag ?? []) as JsonObject[];
  const isScore = tags.some(({ system, code }) => system === 'urn:cerebra:score' && code === 'news2');
  const code = isScore ? 'score' : sources[codesOf(resource.code).find((one) => sources[one])!];
  if (code === undefined) return undefined;
  const components = (resource.component ?? []) as JsonObject[];
  const of = code === 'pressure' ? components.find((one) => codesOf(one.code).includes('8480-6')) : resource;
  const value = quantityOf(of as JsonObject | undefined);
  const measuredMs = Date.parse(String(resource.effectiveDateTime));
  return {
    ...{ id: resource.id!, patient: String((resource.subject as JsonObject).reference), code, updatedMs },
    atMs: measuredMs > updatedMs + 5 * minuteMs ? updatedMs : measuredMs,
    value: typeof value === 'number' ? value : undefined,
    stands: !deleted && !['entered-in-error', 'cancelled', 'registered', 'unknown'].includes(String(resource.status)),
    mistaken: resource.status === 'entered-in-error',
  };
}

/** `level` undefined: not, or no more. `evidence` are ids of Observations, `says` what people would read. */
interface Judged {
  level: number | undefined;
  evidence?: string[];
  says?: string;
}

const over: Judged = { level: undefined };

interface Patient {
  /** By code and id, what stands. */
  readings: Map<string, Map<string, Reading>>;
  awaited: { id: string; seenMs: number; dueMs: number | null } | undefined;
  open: Map<ReplayRule, PlainAlert>;
}

const newestFirst = (a: Reading, b: Reading): number => b.atMs - a.atMs || (a.id < b.id ? 1 : -1);
const within = (all: Iterable<Reading>, newestMs: number, seconds: number): Reading[] =>
  [...all].filter(({ atMs }) => atMs >= newestMs - seconds * 1_000).sort(newestFirst);

function pulse({ value }: Reading): Judged | undefined {
  const { low, rearmLow, high, rearmHigh } = pulseLimits;
  if (value === undefined) return undefined;
  if (value > high || value < low) return { level: 0, says: String(value) };
  return value <= rearmHigh && value >= rearmLow ? over : undefined;
}

function score({ value }: Reading): Judged | undefined {
  if (value === undefined) return undefined;
  const level = value > scoreLimits.critical ? 1 : value > scoreLimits.high ? 0 : undefined;
  return { level, says: String(value) };
}

function rise(all: Iterable<Reading>): Judged {
  const sorted = [...all].sort(newestFirst);
  const [newest, ...before] = within(sorted, sorted[0]?.atMs ?? 0, windowSeconds.rise);
  if (!newest) return over;
  const tenths = (one: Reading) => Math.round(one.value! * 10);
  const lowest = Math.min(...before.map(tenths));
  if (before.length === 0 || tenths(newest) - lowest < riseTenths) return over;
  const from = before.find((one) => tenths(one) === lowest)!;
  const says = `${tenths(newest)} from ${lowest} after ${newest.atMs - from.atMs}`;
  return { level: 0, evidence: [newest.id, from.id], says };
}

function trend(all: Iterable<Reading>): Judged {
  const sorted = [...all].sort(newestFirst);
  const points = within(sorted, sorted[0]?.atMs ?? 0, windowSeconds.trend);
  const count = points.length;
  if (count < trendLimit.pointsMin) return over;
  const x = points.map(({ atMs }) => (atMs - points[0]!.atMs) / 3_600_000);
  const y = points.map(({ value }) => value!);
  const sum = (each: (at: number) => number) => x.reduce((total, _x, at) => total + each(at), 0);
  const sumX = sum((at) => x[at]!);
  const spread = count * sum((at) => x[at]! ** 2) - sumX ** 2;
  const slope = (count * sum((at) => x[at]! * y[at]!) - sumX * sum((at) => y[at]!)) / spread;
  if (!(slope >= trendLimit.perHour)) return over;
  const says = `${slope.toPrecision(6)} of ${count}, now ${y[0]}`;
  return { level: 0, evidence: points.slice(0, 10).map(({ id }) => id), says };
}

function shock(pulses: Iterable<Reading>, pressures: Iterable<Reading>): Judged {
  const both = [[...pulses].sort(newestFirst)[0], [...pressures].sort(newestFirst)[0]];
  const [fast, low] = both;
  if (!fast || !low || Math.abs(fast.atMs - low.atMs) > windowSeconds.shock * 1_000) return over;
  if (!(fast.value! > shockLimits.pulse && low.value! < shockLimits.systolic)) return over;
  return { level: 0, evidence: [fast.id, low.id], says: 'both' };
}

/** Whether a newer one of the same kind counts in its place does not matter: it is judged as it came. */
function judge({ readings }: Patient, reading: Reading): [ReplayRule, Judged | undefined][] {
  const of = (code: string) => readings.get(code)?.values() ?? [];
  switch (reading.code) {
    case 'score':
      return [['replay-score', reading.stands ? score(reading) : over]];
    case 'pulse':
      return [
        ['replay-pulse', reading.stands ? pulse(reading) : over],
        ['replay-shock', shock(of('pulse'), of('pressure'))],
      ];
    case 'pressure':
      return [['replay-shock', shock(of('pulse'), of('pressure'))]];
    case 'temperature':
      return [['replay-rise', rise(of('temperature'))]];
    case 'respiration':
      return [['replay-trend', trend(of('respiration'))]];
    default:
      return [];
  }
}

const alone: ReadonlySet<ReplayRule> = new Set(['replay-score', 'replay-pulse']);

/** What the newest of the others says where one is withdrawn, or dated back behind it. */
interface Instead {
  level: number;
  id: string;
  atMs: number;
  says: string;
  /** When the one that is gone was written. */
  written: number[];
}

interface Cause {
  id: string;
  atMs: number;
  instantMs: number;
  withdrawn: boolean;
  mistaken: boolean;
  instead?: Instead | undefined;
}

/** docs/alerts.md, "What an alert is"; late values clear nothing but what rests on them. */
function settle(all: PlainAlert[], to: Patient, key: [ReplayRule, string], judged: Judged, cause: Cause): void {
  const [rule, patient] = key;
  const open = to.open.get(rule);
  const { level, says = '' } = judged;
  const evidence = judged.evidence ?? [cause.id];
  const { atMs, instantMs } = cause;
  if (!open) {
    if (level === undefined) restore(all, to, key, cause);
    if (level === undefined) return;
    const tellings = [{ atMs: instantMs, level }];
    const alert = { rule, patient, raisedMs: instantMs, level, tellings, evidence, mistaken: false, atMs, says };
    to.open.set(rule, alert);
    all.push(alert);
    return;
  }
  const rests = open.evidence.includes(cause.id);
  const isWorse = level !== undefined && level > open.level;
  if (!rests && !isWorse && (atMs < open.atMs || cause.withdrawn)) return;
  if (level === undefined && rests && cause.instead) goBack(open, cause.instead, instantMs);
  else if (level === undefined) {
    open.endedMs = instantMs;
    open.mistaken = rests && cause.mistaken;
    to.open.delete(rule);
  }
  if (level === undefined) return;
  if (isWorse || (rests && (says !== open.says || level !== open.level)))
    open.tellings.push({ atMs: instantMs, level });
  Object.assign(open, { level, evidence, atMs, says });
}

function goBack(open: PlainAlert, { level, id, atMs, says }: Instead, instantMs: number): void {
  if (level > open.level) open.tellings.push({ atMs: instantMs, level });
  Object.assign(open, { level, evidence: [id], atMs, says });
}

/** What ended the last one is gone. */
function restore(all: PlainAlert[], to: Patient, [rule, patient]: [ReplayRule, string], cause: Cause): void {
  const { instead } = cause;
  const last = all.findLast((one) => one.rule === rule && one.patient === patient);
  if (!instead || last?.endedMs === undefined || !instead.written.includes(last.endedMs)) return;
  settle(all, to, [rule, patient], { ...instead, evidence: [instead.id] }, { ...cause, atMs: instead.atMs });
}

function missed(all: PlainAlert[], patient: Patient, name: string, nowMs: number): void {
  const { awaited } = patient;
  if (!awaited || awaited.dueMs === null || awaited.dueMs > nowMs) return;
  const cause = { id: awaited.id, atMs: awaited.seenMs, instantMs: awaited.dueMs, withdrawn: false, mistaken: false };
  settle(all, patient, ['replay-silence', name], { level: 0, says: 'nothing' }, cause);
  awaited.dueMs = null;
}

/** The next one is awaited from the latest that came in time on. */
function watch(all: PlainAlert[], patient: Patient, reading: Reading): void {
  const { id, atMs, updatedMs, stands } = reading;
  missed(all, patient, reading.patient, updatedMs);
  const dueMs = atMs + windowSeconds.silence * 1_000;
  if (!stands || (patient.awaited && patient.awaited.seenMs >= atMs) || dueMs <= updatedMs) return;
  patient.awaited = { id, seenMs: atMs, dueMs };
  const cause = { id, atMs, instantMs: updatedMs, withdrawn: false, mistaken: false };
  settle(all, patient, ['replay-silence', reading.patient], over, cause);
}

interface Taken {
  except?: ReadonlySet<ReplayRule>;
  /** For a rule that looks at one reading at a time. */
  instead?: Instead | undefined;
}

function take(
  all: PlainAlert[],
  patient: Patient,
  reading: Reading,
  { except = new Set(), instead }: Taken = {},
): void {
  const { id, code, atMs, updatedMs, stands, mistaken } = reading;
  const kind = patient.readings.get(code) ?? new Map<string, Reading>();
  patient.readings.set(code, kind);
  if (stands && reading.value !== undefined) kind.set(id, reading);
  else kind.delete(id);
  for (const [rule, judged] of judge(patient, reading)) {
    if (except.has(rule)) continue;
    const isAlone = alone.has(rule);
    const cause = { id, atMs, instantMs: updatedMs, mistaken, withdrawn: !stands && isAlone };
    if (isAlone) Object.assign(cause, { instead });
    if (judged) settle(all, patient, [rule, reading.patient], judged, cause);
  }
  if (code !== 'score' && except.size === 0) watch(all, patient, reading);
}

/** Its code was wrong: for whoever looks at the former one, and not at that of now, it was a mistake. */
function takeBack(all: PlainAlert[], patient: Patient, former: Reading, now: Reading | undefined, more: Taken): void {
  const still = now ? judge(patient, now).map(([rule]) => rule) : [];
  const except = new Set<ReplayRule>(['replay-silence', ...still]);
  take(all, patient, { ...former, stands: false, mistaken: true }, { ...more, except });
}

/** By id, all versions there ever are. */
type History = ReadonlyMap<string, readonly StoredObservation[]>;

/** As the other readings of its kind were when this one was changed: the newest that is beyond a limit, or within. */
function insteadOf(history: History, former: Reading, changed: StoredObservation): Instead | undefined {
  const { resource, updatedMs } = changed;
  const one = former.code === 'score' ? score : former.code === 'pulse' ? pulse : undefined;
  if (!one || !former.stands) return undefined;
  const others = [...history].flatMap(([id, versions]) => {
    const then = versions.findLast((version) => version.updatedMs <= updatedMs);
    const reading = id === resource.id || !then ? undefined : readingOf(then);
    const isSame = reading?.patient === former.patient && reading.code === former.code && reading.stands;
    return isSame ? [reading] : [];
  });
  for (const reading of others.sort(newestFirst)) {
    const judged = one(reading);
    if (judged?.level === undefined && judged) return undefined;
    const own = history.get(resource.id!)!;
    // Not when it was withdrawn: what else was changed in the same transaction may have ended an alert at that instant.
    const written = own.slice(0, own.indexOf(changed)).map((version) => version.updatedMs);
    if (judged) return { level: judged.level!, id: reading.id, atMs: reading.atMs, says: judged.says!, written };
  }
  return undefined;
}

/** All alerts that follow from these versions until `nowMs`, by which what did not come is missing. */
export function plainAlerts(versions: readonly StoredObservation[], nowMs: number): PlainAlert[] {
  const patients = new Map<string, Patient>();
  const all: PlainAlert[] = [];
  const before = new Map<string, StoredObservation>();
  const history = Map.groupBy(versions, ({ resource }) => resource.id!);
  for (const version of versions) {
    const { id = '' } = version.resource;
    const replaced = before.get(id);
    before.set(id, version);
    const former = replaced && !replaced.deleted ? readingOf({ ...replaced, updatedMs: version.updatedMs }) : undefined;
    const reading = readingOf(version);
    const name = (reading ?? former)?.patient;
    if (name === undefined) continue;
    const patient = patients.get(name) ?? { readings: new Map(), awaited: undefined, open: new Map() };
    patients.set(name, patient);
    const instead = former && insteadOf(history, former, version);
    const isRecoded = former !== undefined && former.code !== reading?.code;
    if (isRecoded) takeBack(all, patient, former, reading, { instead });
    if (!reading) continue;
    // Dated back, it is behind one that is newer.
    const isBehind =
      !isRecoded && instead && (!reading.stands || (reading.atMs < former.atMs && reading.atMs < instead.atMs));
    take(all, patient, reading, isBehind ? { instead } : {});
  }
  for (const [name, patient] of patients) missed(all, patient, name, nowMs);
  return all;
}
