// Alerts of the vitals replay: rules of each kind that looks at vital signs, whether what they raised is what a plain
// recomputation from the store finds, and how long after a reading was stored its Flag is.
import { setTimeout as pause } from 'node:timers/promises';
import type { JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { type AlertSource, type Compared, compareAlerts } from '../test/compare-alerts.ts';
import type { PlainAlert, StoredObservation } from '../test/plain-alerts.ts';
import { replayPlans, replayRules, windowSeconds } from '../test/replay-rules.ts';
import { percentile } from './load/exchange.ts';

/** How long the last alerts may take. */
const settleMsMax = 300_000;
const shownMax = 5;

type Ask = (url: string, body?: object) => Promise<Record<string, unknown>>;

/** Stores the rules and waits until they are in force. */
export async function setRules(root: string, ask: Ask): Promise<void> {
  const entry = replayPlans().map((resource) => ({
    resource,
    request: { method: 'PUT', url: `PlanDefinition/${resource.id}` },
  }));
  await ask(`${root}/fhir/R4`, { resourceType: 'Bundle', type: 'transaction', entry });
  for (;;) {
    const { rules } = await ask(`${root}/admin/alerts/rules`);
    const inForce = new Set((rules as { id: string }[]).map(({ id }) => id));
    if (Object.keys(replayRules).every((id) => inForce.has(id))) return;
    await pause(20);
  }
}

/** Until they are equal, or the time is over. */
async function compared(source: AlertSource): Promise<Compared> {
  // The last readings of all are awaited in vain.
  await pause(windowSeconds.silence * 1_000);
  const untilMs = performance.now() + settleMsMax;
  for (;;) {
    const found = await compareAlerts(source);
    const isEqual = found.differences.every(({ missing, more }) => missing.length + more.length === 0);
    if (isEqual || performance.now() > untilMs) return found;
    await pause(2_000);
  }
}

/** True where they are equal. */
export async function tellAlerts(source: AlertSource): Promise<boolean> {
  const { alerts, observations, differences } = await compared(source);
  const counts = Object.keys(replayRules).map((rule) => {
    const mine = alerts.filter((one) => one.rule === rule);
    return `${rule.replace('replay-', '')} ${mine.length} (${mine.filter(({ endedMs }) => endedMs !== undefined).length} over)`;
  });
  console.log(`rules      ${counts.join(', ')}`);
  for (const { kind, expected, missing, more } of differences) {
    console.log(`${kind.padEnd(15)} ${expected} expected: ${missing.length} missing, ${more.length} more`);
    for (const one of missing.slice(0, shownMax)) console.log(`  missing  ${one}`);
    for (const one of more.slice(0, shownMax)) console.log(`  more     ${one}`);
  }
  await tellLatencies(source.db, alerts, observations);
  return differences.every(({ missing, more }) => missing.length + more.length === 0);
}

const keyOf = (rule: string, patient: string, ms: number): string => `${rule} ${patient} ${ms}`;

/** When the Flag of each was written, milliseconds since 1970 UTC: the begin of its transaction. */
async function flagTimes(db: Db): Promise<Map<string, number>> {
  const rows = await db.query<{ body: string; updated: number }>({
    text: `select body, (extract(epoch from updated) * 1000)::float8 as updated from r_flag where version = 1 union all
      select body, (extract(epoch from updated) * 1000)::float8 from h_flag where version = 1`,
  });
  return new Map(
    rows.map(({ body, updated }) => {
      const flag = JSON.parse(body) as Resource;
      const [tag] = (flag.meta as JsonObject).tag as JsonObject[];
      const startMs = Date.parse(String((flag.period as JsonObject).start));
      return [keyOf(String(tag!.code), String((flag.subject as JsonObject).reference), startMs), updated];
    }),
  );
}

/** By patient and clinical time, when the last vital sign of that instant was stored. */
function vitalTimes(observations: readonly StoredObservation[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { resource, updatedMs } of observations) {
    if ((resource.meta as JsonObject | undefined)?.tag !== undefined) continue;
    const patient = String((resource.subject as JsonObject).reference);
    found.set(keyOf('', patient, Date.parse(String(resource.effectiveDateTime))), updatedMs);
  }
  return found;
}

/** The clinical time of the score that was stored at that instant. */
function scoreTimes(observations: readonly StoredObservation[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { resource, updatedMs } of observations) {
    if ((resource.meta as JsonObject | undefined)?.tag === undefined) continue;
    const key = keyOf('', String((resource.subject as JsonObject).reference), updatedMs);
    if (!found.has(key)) found.set(key, Date.parse(String(resource.effectiveDateTime)));
  }
  return found;
}

async function tellLatencies(db: Db, alerts: readonly PlainAlert[], observations: readonly StoredObservation[]) {
  const [flags, vitals, scores] = [await flagTimes(db), vitalTimes(observations), scoreTimes(observations)];
  const beganMs = ({ rule, patient, raisedMs }: PlainAlert): number => {
    if (rule !== 'replay-score') return raisedMs;
    const atMs = scores.get(keyOf('', patient, raisedMs)) ?? Number.NaN;
    return vitals.get(keyOf('', patient, atMs)) ?? Number.NaN;
  };
  const kinds: [string, (one: PlainAlert) => boolean][] = [
    ['of vital signs', ({ rule }) => rule !== 'replay-score' && rule !== 'replay-silence'],
    ['of scores', ({ rule }) => rule === 'replay-score'],
    ['of silence', ({ rule }) => rule === 'replay-silence'],
  ];
  for (const [name, isOne] of kinds) {
    const ms = alerts
      .filter(isOne)
      .map((one) => (flags.get(keyOf(one.rule, one.patient, one.raisedMs)) ?? Number.NaN) - beganMs(one))
      .filter(Number.isFinite);
    const sorted = Float64Array.from(ms).sort();
    const at = (share: number) => `${percentile(sorted, share).toFixed(0)} ms`;
    const late = ms.filter((one) => one > 1_000).length;
    console.log(
      `Flags ${name}: after p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}, at most ${at(1)}; ${late} of ${ms.length} later than 1 s`,
    );
  }
}
