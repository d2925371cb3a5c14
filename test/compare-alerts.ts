// What the server raised and wrote, against what plain-alerts.ts finds in the store: alerts, and the resources that tell of
// them, each as a line of text that must be there exactly as often.
import type { JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { type PlainAlert, plainAlerts, type StoredObservation } from './plain-alerts.ts';
import { type ReplayRule, replayRules } from './replay-rules.ts';

/** All versions of all Observations in the order of the change stream. */
async function storedObservations(db: Db): Promise<StoredObservation[]> {
  const rows = await db.query<{ body: string | null; former: string | null; updated: number }>({
    text: `with v as (select id, version, seq, body from r_observation union all
        select id, version, seq, body from h_observation)
      select v.body, case when v.body is null then p.body end as former, (extract(epoch from c.updated) * 1000)::float8 as updated
      from v join change c on c.seq = v.seq and c.id = v.id and c.version = v.version
      left join v p on p.id = v.id and p.version = v.version - 1 and v.body is null
      order by c.xid, c.seq`,
  });
  return rows.map(({ body, former, updated }) => ({
    resource: JSON.parse((body ?? former)!) as Resource,
    ...{ deleted: body === null, updatedMs: Math.floor(updated) },
  }));
}

export interface Difference {
  kind: string;
  expected: number;
  missing: string[];
  more: string[];
}

const iso = (ms: number | undefined): string => (ms === undefined ? '-' : new Date(ms).toISOString());
const minutesToAct: Record<string, number> = { moderate: 240, high: 30, critical: 10 };
const priorities: Record<string, string> = { moderate: 'urgent', high: 'asap', critical: 'stat' };
const severityOf = (rule: ReplayRule, level: number): string => replayRules[rule][level]![0];
const line = (...parts: unknown[]): string => parts.map(String).join(' ');

type Lines = Record<'alerts' | 'Flags' | 'Communications' | 'Tasks' | 'DetectedIssues', string[]>;

function wanted(all: readonly PlainAlert[]): Lines {
  const lines: Lines = { alerts: [], Flags: [], Communications: [], Tasks: [], DetectedIssues: [] };
  for (const { rule, patient, raisedMs, endedMs, level, tellings, evidence, mistaken } of all) {
    const span = line(rule, patient, iso(raisedMs), iso(endedMs));
    const [severity, title] = replayRules[rule][level]!;
    const isOver = endedMs !== undefined;
    lines.alerts.push(line(span, severity, tellings.length, evidence.toSorted().join()));
    lines.Flags.push(line(span, isOver ? (mistaken ? 'entered-in-error' : 'inactive') : 'active', title));
    for (const [at, one] of tellings.entries()) {
      const priority = priorities[severityOf(rule, one.level)];
      lines.Communications.push(
        line(rule, patient, iso(one.atMs), isOver || at + 1 < tellings.length ? 'completed' : 'in-progress', priority),
      );
    }
    const lastTold = tellings.at(-1)!;
    const last = severityOf(rule, lastTold.level);
    const due = iso(lastTold.atMs + minutesToAct[last]! * 60_000);
    lines.Tasks.push(line(rule, patient, iso(raisedMs), isOver ? 'cancelled' : 'requested', due, priorities[last]));
    if (rule === 'replay-shock') lines.DetectedIssues.push(line(rule, patient, iso(raisedMs), title));
  }
  return lines;
}

/** Tells what there is of each kind; tests and the replay have their own ways of asking. */
export interface AlertSource {
  db: Db;
  /** All resources of that search. */
  search(query: string): Promise<Resource[]>;
  /** GET below the root. */
  admin(path: string): Promise<Record<string, unknown>>;
}

const ruleOf = ({ meta }: Resource): string =>
  String(((meta as JsonObject).tag as JsonObject[]).find(({ system }) => system === 'urn:cerebra:alert')?.code);
const isReplay = (rule: unknown): boolean => String(rule) in replayRules;
const referenceOf = (value: unknown): unknown => (value as JsonObject | undefined)?.reference;
const textOf = (value: unknown): unknown => (value as JsonObject | undefined)?.text;
const end = (period: unknown) => String((period as JsonObject | undefined)?.end ?? '-');

async function adminAlerts({ admin }: AlertSource, rule: string): Promise<JsonObject[]> {
  const all: JsonObject[] = [];
  for (let after = ''; ; ) {
    const { alerts, next } = await admin(`/admin/alerts?rule=${rule}&limit=1000${after}`);
    all.push(...(alerts as JsonObject[]));
    if (next === undefined) return all;
    after = `&after=${next}`;
  }
}

async function found(source: AlertSource): Promise<Lines> {
  const lines: Lines = { alerts: [], Flags: [], Communications: [], Tasks: [], DetectedIssues: [] };
  for (const rule of Object.keys(replayRules)) {
    for (const one of await adminAlerts(source, rule)) {
      const evidence = (one.evidence as string[]).map((text) => text.replace('Observation/', '')).sort();
      const span = line(one.rule, one.subject, one.raised, one.ended ?? '-');
      lines.alerts.push(line(span, one.severity, one.told, evidence.join()));
    }
  }
  const codes = Object.keys(replayRules).map((rule) => `urn:cerebra:alert|${rule}`);
  const of = async (type: string) =>
    (await source.search(`${type}?_tag=${codes.join(',')}&_count=1000`)).filter((one) => isReplay(ruleOf(one)));
  for (const one of await of('Flag')) {
    const start = (one.period as JsonObject).start;
    lines.Flags.push(line(ruleOf(one), referenceOf(one.subject), start, end(one.period), one.status, textOf(one.code)));
  }
  for (const one of await of('Communication')) {
    lines.Communications.push(line(ruleOf(one), referenceOf(one.subject), one.sent, one.status, one.priority));
  }
  for (const one of await of('Task')) {
    const due = end((one.restriction as JsonObject).period);
    lines.Tasks.push(line(ruleOf(one), referenceOf(one.for), one.authoredOn, one.status, due, one.priority));
  }
  for (const one of await of('DetectedIssue')) {
    lines.DetectedIssues.push(line(ruleOf(one), referenceOf(one.patient), one.identifiedDateTime, textOf(one.code)));
  }
  return lines;
}

function difference(kind: string, expected: readonly string[], actual: readonly string[]): Difference {
  const counts = new Map<string, number>();
  for (const one of expected) counts.set(one, (counts.get(one) ?? 0) + 1);
  for (const one of actual) counts.set(one, (counts.get(one) ?? 0) - 1);
  const those = (sign: number) =>
    [...counts].flatMap(([text, count]) => Array.from({ length: Math.max(0, sign * count) }, () => text)).sort();
  return { kind, expected: expected.length, missing: those(1), more: those(-1) };
}

export interface Compared {
  alerts: PlainAlert[];
  observations: StoredObservation[];
  differences: Difference[];
}

export async function compareAlerts(source: AlertSource, nowMs = Date.now()): Promise<Compared> {
  const observations = await storedObservations(source.db);
  const alerts = plainAlerts(observations, nowMs);
  const [expected, actual] = [wanted(alerts), await found(source)];
  const kinds = Object.keys(expected) as (keyof Lines)[];
  return { alerts, observations, differences: kinds.map((kind) => difference(kind, expected[kind], actual[kind])) };
}
