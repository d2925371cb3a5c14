// Rules of alerting, and what they look at, for tests.
import type { JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { waitFor } from '#platform/testing';
import type { Rig } from './rig.ts';

type Stored = Resource & { id: string };

const ucum = 'http://unitsofmeasure.org';
export const quantity = (value: number, code: string): JsonObject => ({ value, unit: code, system: ucum, code });

/** An extension of rules: `valueCode` and so on are told by the name of the type. */
export const ext = (name: string, type: string, value: unknown): JsonObject =>
  ({ url: `urn:cerebra:alert:${name}`, [`value${type}`]: value }) as JsonObject;

export const minutes = (name: string, value: number): JsonObject => ext(name, 'Duration', quantity(value, 'min'));

/** A trigger of Observations with this code of `http://x`. */
export const onCode = (code: string, more: JsonObject = {}): JsonObject => ({
  type: 'data-changed',
  data: [{ type: 'Observation', codeFilter: [{ path: 'code', code: [{ system: 'http://x', code }] }] }],
  ...more,
});

export const holds = (expression: string): JsonObject => ({
  kind: 'applicability',
  expression: { language: 'text/fhirpath', expression },
});

export const eventRule = (
  id: string,
  kind: string,
  extension: JsonObject[],
  action: JsonObject[],
  rest: JsonObject = {},
): Stored =>
  ({
    ...{ resourceType: 'PlanDefinition', id, status: 'active', title: `Rule ${id}` },
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'eca-rule' }] },
    extension: [ext('kind', 'Code', kind), ...extension],
    action,
    ...rest,
  }) as Stored;

/** A value of a patient, so many minutes after 2026-01-01. */
export const startMs = Date.UTC(2026, 0, 1);
export const instant = (minute: number): string => new Date(startMs + minute * 60_000).toISOString();

export const reading = (id: string, value: number, minute: number, rest: JsonObject = {}): Stored =>
  ({
    ...{ resourceType: 'Observation', id, status: 'final', subject: { reference: 'Patient/p1' } },
    code: { coding: [{ system: 'http://x', code: 'k' }] },
    effectiveDateTime: instant(minute),
    valueQuantity: quantity(value, 'mmol/L'),
    ...rest,
  }) as Stored;

/** Waits until rules are in force. */
export async function inForce({ db, store }: Rig, ...rules: Stored[]): Promise<void> {
  for (const one of rules) {
    const version = await store.put(one);
    const text = 'select 1 from subscriber where id = $1 and version = $2';
    await waitFor(async () => (await db.query({ text }, [`alert:${one.id}`, version])).length > 0, `rule ${one.id}`);
  }
}

/** As if it had been written then. */
export const putAt = (rig: Rig, resource: Stored, ms: number) =>
  rig.store.put(resource, async (tx) => {
    const at = new Date(ms).toISOString();
    const key = [resource.id, at];
    const body = `regexp_replace(body, '"lastUpdated":"[^"]*"', '"lastUpdated":"' || $2::text || '"')`;
    const latest = '(select max(version) from test_version where id = $1)';
    await tx.query(
      {
        text: `update test_version set updated = $2::text::timestamptz, body = ${body} where id = $1 and version = ${latest}`,
      },
      key,
    );
    await tx.query(
      { text: `update change set updated = $2::text::timestamptz where id = $1 and version = ${latest}` },
      key,
    );
  });

/** Writes them, one after another, and waits until each rule has judged all that it was told of. */
export async function judged(rig: Rig, ...resources: Stored[]): Promise<void> {
  for (const one of resources) await rig.store.put(one);
  await settled(rig);
}

/**
 * Waits until all that rules were told of the changes so far has been judged. What follows the stream is asked of the stream:
 * a Task that concerns no alert, of which the acknowledgments are told.
 */
export async function settled({ db, store }: Pick<Rig, 'db' | 'store'>): Promise<void> {
  const code = { coding: [{ system: 'urn:cerebra:alert-task', code: 'acknowledge' }] };
  const version = await store.put({
    resourceType: 'Task',
    id: 'none',
    status: 'completed',
    intent: 'order',
    code,
  } as Stored);
  const text = `select 1 from delivery where subscriber = 'alert::acknowledgments' and id = 'none' and version = $1
    and not exists (select from subscriber where id like 'alert:%' and state = 'active' and done_number < last_number)`;
  await waitFor(async () => (await db.query({ text }, [version])).length > 0, 'the rules');
}

/** Tasks of alerts. */
export const tasksOf = async ({ store }: Pick<Rig, 'store'>): Promise<JsonObject[]> =>
  (await store.list('Task')).filter(({ id }) => id !== 'none') as JsonObject[];

export interface AlertState {
  rule: string;
  subject: string;
  key: string;
  episode: number;
  status: string;
  severity: string;
  title: string;
  detail: string;
  tells: number;
}

/** The alerts of a rule, in the order in which they were raised. */
export function alertsOf(db: Db, rule: string): Promise<AlertState[]> {
  const text = `select rule, subject, key, episode, status, severity, title, detail, tells from alert
    where rule = $1 order by raised_at, subject, key, episode`;
  return db.query<AlertState>({ text }, [rule]);
}

/** `status: detail` of each. */
export const shortly = async (db: Db, rule: string): Promise<string[]> =>
  (await alertsOf(db, rule)).map(({ status, detail }) => `${status}: ${detail}`);
