// Everything a test of escalation needs: a store that finds rosters, alerts whose acknowledgment ends their escalation, and
// servers that can be started more than once on one database.
import type { TestContext } from 'node:test';
import { type JsonObject, type Resource, type ResourceReader, stringify } from '#fhir-model';
import { type AdminResponse, createEgress, createMetrics, type Db, type Jobs, type Log } from '#platform';
import { testLog, twilioAccount, waitFor } from '#platform/testing';
import type { Alert, AlertEnd, Alerts } from '../../alerts/seams.ts';
import { emptyDatabase } from '../../testing/database.ts';
import { createTestStore, type TestStore } from '../../testing/store.ts';
import type { AnyEndpoint, Endpoint } from '../endpoints.ts';
import { createEscalation, type EscalationLimits, type RunningEscalation } from '../escalation.ts';

export const publicUrl = 'https://cerebra.example.org/';

type Identified = Resource & { id: string };

/**
 * Fast enough for tests: looks every 20 ms, repeats within milliseconds. Receivers are waited for as long as a machine may stand
 * still: what is sent again because of that is none of what a test counts.
 */
export const testLimits: Partial<EscalationLimits> = {
  ...{ pollMs: 20, timeoutMs: 60_000, stepLeaseMs: 1_000, backoffMsMin: 5, backoffMsMax: 20 },
  pauses: { brokenMs: 20, unavailableMs: 20, nobodyMs: 200, tryMsMin: 60_000 },
};

export interface EscalationRig {
  db: Db;
  store: TestStore;
  reader: ResourceReader;
  /** One server; stopped after the test. */
  start(options?: StartOptions): Promise<TestEscalation>;
  put(...resources: Identified[]): Promise<void>;
}

export interface StartOptions {
  endpoints?: AnyEndpoint[];
  limits?: Partial<EscalationLimits>;
  mail?: { url: string; from: string };
  timeZone?: string;
  jobs?: Jobs;
  log?: Log;
}

export interface TestEscalation extends RunningEscalation {
  raise(alert: Alert, worse?: boolean): Promise<void>;
  finish(alertId: string, why: AlertEnd): Promise<void>;
  /** Who has acknowledged which alert, and how. */
  acknowledged: { id: string; by: string; note: string | undefined }[];
  call(method: string, path: string, request?: Partial<CallRequest>): Promise<AdminResponse>;
  history(alertId: string): Promise<HistoryRun[]>;
}

export interface CallRequest {
  query: string;
  headers: Record<string, string>;
  body: string;
}

export interface HistoryRun {
  run: number;
  state: string;
  error: string | null;
  steps: { number: number; title: string; note: string | null }[];
  messages: {
    id: string;
    step: number;
    kind: string;
    channel: string;
    recipient: string;
    state: string;
    attempts: number;
    acknowledgedThrough: boolean;
    digest: string | null;
    error: string | null;
  }[];
}

const emptying = 'truncate escalation, escalation_step, escalation_message, escalation_key';

export async function createEscalationRig(t: TestContext): Promise<EscalationRig> {
  const db = await emptyDatabase(emptying);
  const store = await createTestStore(db);
  const reader: ResourceReader = { ...store.reader, search: (type, query) => searchStore(store, type, query) };
  return {
    ...{ db, store, reader },
    async put(...resources) {
      for (const resource of resources) await store.put(resource);
    },
    async start(options = {}) {
      const server = startServer({ db, store, reader }, options);
      t.after(() => server.stop());
      await server.start();
      return server;
    },
  };
}

function startServer(
  { db, store, reader }: Omit<EscalationRig, 'start' | 'put'>,
  { endpoints = [], limits, mail, timeZone = 'UTC', jobs, log = testLog() }: StartOptions,
): TestEscalation {
  const acknowledged: TestEscalation['acknowledged'] = [];
  /** As they were raised last; one that was acknowledged is no more active. */
  const standing = new Map<string, Alert>();
  const alerts: Pick<Alerts, 'acknowledge' | 'read'> = {
    read: async (id) => standing.get(id),
    async acknowledge(id, by, note) {
      const [open] = await db.query({
        text: `select 1 from escalation where alert = '${id}' and state in ('open', 'exhausted')`,
      });
      if (!open) return false;
      acknowledged.push({ id, by, note });
      standing.delete(id);
      await db.tx((tx) => escalation.end(tx, id, 'acknowledged'));
      return true;
    },
  };
  const escalation = createEscalation({
    ...{ db, reader, writer: store.writer, scope: { kind: 'everything' }, log, metrics: createMetrics() },
    ...{ random: () => 0.5, alerts: () => alerts, egress: createEgress(['loopback']), endpoints, timeZone, mail, jobs },
    baseUrl: `${publicUrl}fhir/R4`,
    limits: { ...testLimits, ...limits },
  });
  const call: TestEscalation['call'] = (method, path, request = {}) => callRoute(escalation, method, path, request);
  return {
    ...escalation,
    ...{ acknowledged, call },
    raise(alert, worse) {
      standing.set(alert.id, alert);
      return db.tx((tx) => escalation.begin(tx, alert, worse));
    },
    finish: (id, why) => db.tx((tx) => escalation.end(tx, id, why)),
    async history(id) {
      const { body } = await call('GET', `/admin/alerts/${id}/history`);
      return (JSON.parse(JSON.stringify(body)) as { escalations: HistoryRun[] }).escalations;
    },
  };
}

/** Of two routes that fit the one with fewer names in it. */
async function callRoute(
  { adminRoutes }: RunningEscalation,
  method: string,
  path: string,
  { query = '', headers = {}, body = '' }: Partial<CallRequest>,
): Promise<AdminResponse> {
  const fitting = adminRoutes
    .filter((route) => route.method === method)
    .map((route) => ({ route, params: paramsOf(route.path, path) }))
    .filter(({ params }) => params !== undefined);
  const { route, params } = fitting[0]!;
  return route.handle({ params: params!, query: new URLSearchParams(query), headers, body: Buffer.from(body) });
}

function paramsOf(pattern: string, path: string): Record<string, string> | undefined {
  const match = new RegExp(`^${pattern.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`).exec(path);
  return match ? { ...match.groups } : undefined;
}

/** What recipients.ts and admin.ts ask for, without a search engine. */
async function searchStore(store: TestStore, type: string, query: string): ReturnType<ResourceReader['search']> {
  const asked = new URLSearchParams(query);
  const names = (resource: Resource): string => stringify(resource);
  const refers = (resource: Resource, ...keys: string[]): boolean =>
    keys.every((key) => !asked.has(key) || names(resource).includes(`"${asked.get(key)}"`));
  const found = (await store.list(type)).filter((resource) => {
    const start = asked.get('start');
    const begins = start === null || Date.parse(String(resource.start)) <= Date.parse(start.slice(2));
    const active = !asked.has('active') || resource.active !== false;
    return begins && active && refers(resource, 'actor', 'schedule', 'subject', 'status', 'type', 'service-type');
  });
  const resources = found.map((resource) => ({
    ...{ type, id: resource.id!, version: 1, updatedMs: 0, body: stringify(resource), deleted: false },
  }));
  return { resources, included: [] };
}

export const alertOf = (id: string, rest: Partial<Alert> = {}): Alert => ({
  ...{ id, rule: 'critical-potassium', subject: 'Patient/p1', key: '', severity: 'critical', status: 'active' },
  ...{ title: 'Critically high potassium', detail: '6.9 mmol/L (limit 6.2)', evidence: ['Observation/o1'] },
  ...{ atMs: Date.UTC(2026, 0, 1), raisedMs: Date.UTC(2026, 0, 1), escalation: 'chain' },
  ...rest,
});

const extension = (name: string, value: JsonObject): JsonObject => ({
  url: `urn:cerebra:escalation-${name}`,
  ...value,
});

export interface StepSketch {
  who?: string[];
  channels: string[];
  /** Seconds that are waited. */
  wait?: number;
  times?: number;
  mode?: 'first' | 'all';
  severity?: string;
  detail?: boolean;
}

const action = ({ who = [], channels, wait = 3_600, times, mode, severity, detail }: StepSketch, index: number) => ({
  title: `Step ${index + 1}`,
  extension: [
    ...who.map((reference) => extension('who', { valueReference: { reference } })),
    ...channels.map((valueCode) => extension('channel', { valueCode })),
    ...(mode ? [extension('mode', { valueCode: mode })] : []),
    ...(severity ? [extension('severity', { valueCode: severity })] : []),
    ...(detail ? [extension('detail', { valueBoolean: true })] : []),
  ],
  ...(times
    ? { timingTiming: { repeat: { count: times, period: wait, periodUnit: 's' } } }
    : { timingDuration: { value: wait, code: 's', system: 'http://unitsofmeasure.org' } }),
});

export const chainOf = (steps: StepSketch[], rest: JsonObject = {}): Identified => ({
  ...{ resourceType: 'PlanDefinition', id: 'chain', status: 'active' },
  type: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'workflow-definition' }],
  },
  action: steps.map(action),
  ...rest,
});

export const tellsEnd = { extension: [extension('tell-end', { valueBoolean: true })] };
export const goesRound = (times: number) => ({ extension: [extension('repeat', { valuePositiveInt: times })] });

export const practitioner = (id: string, telecom: JsonObject[], rest: JsonObject = {}): Identified => ({
  ...{ resourceType: 'Practitioner', id, telecom },
  ...rest,
});

/** Lets the next step of an alert be due now, as if its time had passed. */
export async function passTime(db: Db, alert: string): Promise<void> {
  const text = `update escalation set due_at = statement_timestamp() where alert = $1 and due_at is not null`;
  await db.query({ text }, [alert]);
}

/** Waits until the messages of the alert's last run are in these states, in the order of their channels. */
export const settled = (server: TestEscalation, id: string, states: Record<string, string>): Promise<HistoryRun> =>
  waitFor(
    async () => {
      const run = (await server.history(id)).at(-1)!;
      const found = Object.fromEntries(
        run.messages.map(({ channel, kind, state }) => [kind === 'alert' ? channel : `${channel} ${kind}`, state]),
      );
      return Object.entries(states).every(([name, state]) => found[name] === state) ? run : false;
    },
    `messages of ${id}: ${JSON.stringify(states)}`,
  );

interface Located {
  url: string;
}

export const routingKey = 'k'.repeat(32);
export const from = 'Cerebra <no-reply@example.org>';
export const email = (value: string): JsonObject => ({ system: 'email', value });
export const sms = (value: string): JsonObject => ({ system: 'sms', value });

// Endpoints at the doubles of the testing kit.
export const pagerAt = ({ url }: Located): Endpoint => ({ name: 'pager', template: 'pagerduty', url, routingKey });
export const slackAt = ({ url }: Located): Endpoint => ({ name: 'slack', template: 'slack', url });
export const smsAt = ({ url }: Located): Endpoint => {
  const { sid, token, number } = twilioAccount;
  return { name: 'sms', template: 'twilio', url, accountSid: sid, authToken: token, from: number };
};
