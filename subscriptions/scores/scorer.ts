// From changed Observations to scores, in two steps that survive a crash between them: readings are saved together with what
// they call for (score_due), then scores are written together with the end of that. What was begun and not ended is found in
// score_due by whoever comes next; doing it twice is doing it once.
// Measured by bench/vitals-replay.ts: docs/alerts.md.
import type { AccessScope, JsonObject, ResourceReader, ResourceWriter, TransactionEntry } from '#fhir-model';
import { type Db, isCerebraError, type Log } from '#platform';
import { createReadVitals, type Reading } from './readings.ts';
import { amend, observationId, observationOf, riskId, riskOf, withdrawn } from './resources.ts';
import type { ScoreSet, Vital } from './schema.ts';
import * as state from './state.ts';
import { type Entry, scoresOf, windowsOf } from './timeline.ts';

export interface ScorerPorts {
  db: Db;
  reader: ResourceReader;
  writer: ResourceWriter;
  scope: AccessScope;
  /** Our own FHIR base. */
  baseUrl?: string | undefined;
  log: Log;
}

/** A resource that changed. */
export interface Touched {
  type: string;
  id: string;
}

export interface Scorer {
  /** Saves what the store has of these now. */
  take(touched: readonly Touched[], fence: state.Fence): Promise<void>;
  /** Computes what is due; of what concerns the past only so much that it takes no longer than a second or so. True: there is more. */
  compute(fence: state.Fence): Promise<boolean>;
}

/** Instants whose scores are written in one transaction: with three scores 2,400 resources. */
const instantsMax = 400;
/** Within so long of each other, a patient's instants are read together. */
const apartMs = 10 * 60_000;
const leaseMs = 30_000;

export function createScorer(set: ScoreSet, ports: ScorerPorts): Scorer {
  const parts: Parts = {
    ...{ ...ports, set, windows: windowsOf(set), readVitals: createReadVitals(set.vitals, ports.baseUrl) },
    vitals: new Map(set.vitals.map((one) => [one.name, one])),
  };
  return {
    take: (touched, fence) => take(parts, touched, fence),
    async compute(fence) {
      for (;;) {
        const due = await state.dueNow(ports.db, instantsMax);
        const instants = due.filter(isInstant);
        if (instants.length > 0) await computeInstants(parts, instants, fence);
        else if (due[0]) {
          await computeStretch(parts, due[0], fence);
          return true;
        } else return false;
      }
    },
  };
}

interface Parts extends ScorerPorts {
  set: ScoreSet;
  windows: ReadonlyMap<string, number>;
  vitals: ReadonlyMap<string, Vital>;
  readVitals: (observation: JsonObject) => Reading[];
}

const isInstant = ({ fromMs, toMs, doubtful }: state.Due): boolean => fromMs === toMs && !doubtful;

async function take(parts: Parts, touched: readonly Touched[], fence: state.Fence): Promise<void> {
  const ids = (type: string) => [...new Set(touched.filter((one) => one.type === type).map(({ id }) => id))];
  const observations = ids('Observation');
  const [before, after] = await Promise.all([
    state.readingsOf(parts.db, observations),
    Promise.all(observations.map((id) => currentReadings(parts, id))),
  ]);
  const { removed, added, changed } = difference(before, after.flat());
  const patients = await patientsOf(parts, [...removed, ...added], ids('Patient'));
  if (changed.length === 0 && patients.anew.length === 0) return;
  const affected = [
    ...removed.map((one) => affectedBy(parts, one, true, patients.known)),
    ...added.map((one) => affectedBy(parts, one, false, patients.known)),
  ];
  const kept = new Set(changed);
  const changes: state.Changes = {
    observations: changed,
    readings: after.flat().filter(({ observation }) => kept.has(observation)),
    patients: lastOf(patients.known, added),
    affected,
    anew: patients.anew,
  };
  await parts.db.tx(async (tx) => {
    // Should it get lost with the scores that follow, the deliveries have not ended either and come again.
    await tx.query({ text: 'set local synchronous_commit = off' });
    await state.saveChanges(tx, changes);
    await state.assertFence(tx, fence, leaseMs);
  });
}

async function currentReadings({ reader, readVitals, scope, windows }: Parts, id: string): Promise<Reading[]> {
  const stored = await reader.read('Observation', id, scope);
  if (!stored || stored.deleted) return [];
  return readVitals(JSON.parse(stored.body) as JsonObject).filter(({ vital }) => windows.has(vital));
}

const textOf = (one: Reading): string =>
  JSON.stringify([one.observation, one.vital, one.patient, one.atMs, one.value, one.preliminary, one.encounter]);

function difference(before: readonly Reading[], after: readonly Reading[]) {
  const were = new Set(before.map(textOf));
  const are = new Set(after.map(textOf));
  const removed = before.filter((one) => !are.has(textOf(one)));
  const added = after.filter((one) => !were.has(textOf(one)));
  return { removed, added, changed: [...new Set([...removed, ...added].map(({ observation }) => observation))] };
}

type Known = ReadonlyMap<string, state.KnownPatient>;

/** Those of the readings, read from the store where they are new; `anew`: those whose date of birth has changed. */
async function patientsOf({ db, reader, scope }: Parts, readings: readonly Reading[], touched: readonly string[]) {
  const wanted = new Set(readings.map(({ patient }) => patient));
  const known = new Map((await state.knownPatients(db, [...wanted, ...touched])).map((one) => [one.patient, one]));
  const anew: string[] = [];
  const look = async (patient: string) => {
    const was = known.get(patient);
    if (!was && !wanted.has(patient)) return;
    const stored = await reader.read('Patient', patient, scope);
    if (was && (!stored || stored.deleted)) return;
    const birthDate = stored && !stored.deleted ? (JSON.parse(stored.body) as JsonObject).birthDate : undefined;
    const born = typeof birthDate === 'string' ? birthDate : '';
    if (was && was.born !== born) anew.push(patient);
    if (was?.born !== born) known.set(patient, { patient, born, lastAtMs: was?.lastAtMs ?? Number.MIN_SAFE_INTEGER });
  };
  const unread = [...wanted].filter((patient) => !known.has(patient));
  await Promise.all([...new Set([...unread, ...touched])].map(look));
  return { known: known as Known, anew };
}

function lastOf(known: Known, added: readonly Reading[]): state.KnownPatient[] {
  const last = new Map(known);
  for (const { patient, atMs } of added) {
    const one = last.get(patient)!;
    if (atMs > one.lastAtMs) last.set(patient, { ...one, lastAtMs: atMs });
  }
  return [...last.values()];
}

const affectedBy = (
  { windows }: Parts,
  { patient, vital, atMs }: Reading,
  doubtful: boolean,
  known: Known,
): state.Affected => ({
  ...{ patient, vital, atMs, doubtful, windowMs: windows.get(vital) ?? 0 },
  latest: !doubtful && atMs >= known.get(patient)!.lastAtMs,
});

/** Instants of one patient, read in one go. */
interface Group extends state.Ask {
  due: state.Due[];
}

function groupsOf(due: readonly state.Due[]): Group[] {
  const groups: Group[] = [];
  const sorted = [...due].sort((a, b) =>
    a.patient < b.patient ? -1 : a.patient > b.patient ? 1 : a.fromMs - b.fromMs,
  );
  for (const one of sorted) {
    const last = groups.at(-1);
    if (last && last.patient === one.patient && one.fromMs - last.toMs <= apartMs) {
      last.due.push(one);
      last.toMs = one.toMs;
    } else groups.push({ patient: one.patient, fromMs: one.fromMs, toMs: one.toMs, due: [one] });
  }
  return groups;
}

/** More of one vital in ten minutes is no vital sign. */
const readingsPerGroupMax = 20_000;

async function computeInstants(parts: Parts, due: readonly state.Due[], fence: state.Fence): Promise<void> {
  const { db, set, windows } = parts;
  const groups = groupsOf(due);
  const [readings, known] = await Promise.all([
    state.readStretches(db, groups, windows, readingsPerGroupMax),
    state.knownPatients(db, [...new Set(due.map(({ patient }) => patient))]),
  ]);
  const born = new Map(known.map((one) => [one.patient, one.born]));
  const computed = (): Entry[] =>
    groups.flatMap((group, place) => {
      const wanted = new Set(group.due.map(({ fromMs }) => fromMs));
      const stretch = { ...group, born: born.get(group.patient) ?? '', readings: readings[place]!, doubtful: [] };
      return scoresOf(set, stretch).filter(({ atMs }) => wanted.has(atMs));
    });
  try {
    await writeNew(parts, computed(), { ids: due.map(({ id }) => id), fence });
  } catch (error) {
    if (!isHopeless(error)) throw error;
    if (due.length === 1) return setAside(parts, due[0]!, error);
    const middle = due.length >> 1;
    await computeInstants(parts, due.slice(0, middle), fence);
    await computeInstants(parts, due.slice(middle), fence);
  }
}

/** The beginning of a stretch of the past. */
async function computeStretch(parts: Parts, due: state.Due, fence: state.Fence): Promise<void> {
  const { db, set, windows } = parts;
  const [[readings], [known]] = await Promise.all([
    state.readStretches(db, [due], windows, instantsMax),
    state.knownPatients(db, [due.patient]),
  ]);
  const lastMs = endOf(readings!, due);
  const inside = readings!.map(({ atMs }) => atMs).filter((atMs) => atMs >= due.fromMs && atMs <= lastMs);
  const stretch = {
    patient: due.patient,
    born: known?.born ?? '',
    readings: readings!,
    fromMs: due.fromMs,
    toMs: lastMs,
  };
  const over = lastMs >= due.toMs;
  const end = { ids: over ? [due.id] : [], ...(over ? {} : { rest: { id: due.id, fromMs: lastMs + 1 } }), fence };
  try {
    const entries = scoresOf(set, { ...stretch, doubtful: due.doubtful ? [due.fromMs, ...inside] : [] });
    await writeAgain(parts, entries, end);
  } catch (error) {
    if (!isHopeless(error)) throw error;
    await setAside(parts, due, error);
  }
}

/** Up to when all readings are there, and the instants are not too many. */
function endOf(readings: readonly Reading[], { fromMs, toMs }: state.Due): number {
  const byVital = Map.groupBy(
    readings.filter(({ atMs }) => atMs >= fromMs),
    ({ vital }) => vital,
  );
  let end = toMs;
  for (const all of byVital.values()) {
    if (all.length >= instantsMax) end = Math.min(end, Math.max(...all.map(({ atMs }) => atMs)) - 1);
  }
  const instants = [...new Set(readings.map(({ atMs }) => atMs))].filter((atMs) => atMs >= fromMs && atMs <= end);
  if (instants.length > instantsMax) end = Math.min(end, instants.sort((a, b) => a - b)[instantsMax - 1]!);
  return Math.max(fromMs, end);
}

interface End {
  ids: readonly bigint[];
  rest?: { id: bigint; fromMs: number };
  fence: state.Fence;
}

const contextOf = ({ scope }: Parts, { ids, rest, fence }: End) => ({
  scope,
  within: async (tx: Parameters<typeof state.assertFence>[0]) => {
    await state.endDue(tx, ids, rest);
    await state.assertFence(tx, fence, leaseMs);
  },
});

/** Of instants that nothing was known of: as a rule none of them is there, and they are written in one go. */
async function writeNew(parts: Parts, entries: readonly Entry[], end: End): Promise<void> {
  const present = entries.filter(hasScore);
  const resources = present.flatMap((one) => [
    observationOf(one, parts.vitals),
    ...(one.score.complete ? [riskOf(one)] : []),
  ]);
  if (resources.length === 0) return endOnly(parts, end);
  const { scope, within } = contextOf(parts, end);
  const created = await parts.writer.createIfAbsent(resources, {
    scope,
    within: async (tx, results) => {
      // With one that was there what is due ends with the next transaction.
      if (results.every(({ op }) => op === 'create')) await within(tx);
      else await state.assertFence(tx, end.fence, leaseMs);
    },
  });
  if (created.every(Boolean)) return;
  const old = new Set(resources.filter((_one, at) => !created[at]).map(({ id }) => id));
  await writeAgain(
    parts,
    present.filter((one) => old.has(observationId(one)) || old.has(riskId(one))),
    end,
  );
}

const hasScore = (one: Entry): one is Entry & Required<Pick<Entry, 'score'>> => one.score !== undefined;

async function writeAgain(parts: Parts, entries: readonly Entry[], end: End): Promise<void> {
  const written = await Promise.all(entries.map((one) => entriesOf(parts, one)));
  const all = written.flat();
  if (all.length === 0) return endOnly(parts, end);
  await parts.writer.transaction(all, contextOf(parts, end));
}

async function entriesOf(parts: Parts, one: Entry): Promise<TransactionEntry[]> {
  if (!hasScore(one)) {
    const both = [
      withdrawal(parts, 'Observation', observationId(one)),
      withdrawal(parts, 'RiskAssessment', riskId(one)),
    ];
    return (await Promise.all(both)).flat();
  }
  const observation = putOf(observationOf(one, parts.vitals));
  const risk = one.score.complete ? [putOf(riskOf(one))] : await withdrawal(parts, 'RiskAssessment', riskId(one));
  return [observation, ...risk];
}

const putOf = (resource: ReturnType<typeof riskOf>): TransactionEntry => ({
  method: 'PUT',
  url: `${resource.resourceType}/${resource.id}`,
  resource,
  merge: amend,
});

/** Nothing where there is none, or it is withdrawn already. */
async function withdrawal({ reader, scope }: Parts, type: string, id: string): Promise<TransactionEntry[]> {
  const stored = await reader.read(type, id, scope);
  if (!stored || stored.deleted) return [];
  const resource = JSON.parse(stored.body) as ReturnType<typeof riskOf>;
  if (resource.status === 'entered-in-error') return [];
  return [{ method: 'PUT', url: `${type}/${id}`, resource: withdrawn(resource), ifMatch: `W/"${stored.version}"` }];
}

const endOnly = (parts: Parts, end: End): Promise<void> => parts.db.tx(contextOf(parts, end).within);

/** The store is out of reach, or somebody changed the same resource. */
export const isPassing = (error: unknown): boolean =>
  isCerebraError(error) && (error.status >= 500 || error.status === 409 || error.status === 412);

/**
 * The store refuses it for what it says, or it can't be computed at all: trying again would not help, and would keep the scores of
 * all other patients waiting for ever.
 */
const isHopeless = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || (isCerebraError(error) && !isPassing(error));

async function setAside({ db, log }: Parts, due: state.Due, error: unknown): Promise<void> {
  log.error(
    { err: error, patient: due.patient, from: due.fromMs, to: due.toMs },
    'scores that can not be computed, or that the store refuses, are left out',
  );
  await state.endDue(db, [due.id]);
}
