// Admin endpoints of escalation: who was told what and when, which chains there are, whom they would tell, and a trial of each endpoint.
import { type AccessScope, parseJson, type Resource, type ResourceReader } from '#fhir-model';
import {
  type AdminParameter,
  type AdminRequest,
  type AdminRoute,
  CerebraError,
  type Db,
  isCerebraError,
  type JsonSchema,
  type Statement,
  withKnownQuery,
} from '#platform';
import { choice, limitOf, limitParameter, textParameter } from '../admin-query.ts';
import { severities } from '../alerts/rules/rule.ts';
import type { Severity } from '../alerts/seams.ts';
import { planStep, reaches } from './advance.ts';
import { type Chain, isChain, planFor, readChain } from './chain.ts';
import type { Endpoint } from './endpoints.ts';
import type { Notice } from './notice.ts';
import { type Poster, post } from './post.ts';
import { compose, contactKindOf, judge } from './templates/templates.ts';

export interface EscalationAdminOptions extends Poster {
  db: Db;
  reader: ResourceReader;
  scope: AccessScope;
  timeZone: string;
  /** Our own FHIR base. */
  baseUrl: string;
  endpoints: ReadonlyMap<string, Endpoint>;
  email: boolean;
  publicUrl: string;
}

const history: Statement = {
  name: 'escalation_history',
  text: `select e.run, e.chain, e.state, e.began_at as began, e.ended_at as ended, e.due_at as next, e.error,
      (select coalesce(jsonb_agg(jsonb_build_object('number', s.number, 'title', s.title, 'began', s.began_at,
        'until', s.until_at, 'note', s.note) order by s.number), '[]')
        from escalation_step s where s.alert = e.alert and s.run = e.run) as steps,
      (select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'step', m.number, 'kind', m.kind, 'channel', m.channel,
        'recipient', m.recipient, 'state', m.state, 'attempts', m.attempts, 'created', m.created_at, 'sent', m.sent_at,
        'acknowledgedThrough', m.answered_at is not null, 'digest', m.digest, 'error', m.error)
        order by m.created_at, m.place, m.id), '[]')
        from escalation_message m where m.alert = e.alert and m.run = e.run) as messages
    from escalation e where e.alert = $1 order by e.run`,
};

const running: Statement = {
  name: 'escalation_running',
  text: `select alert, run, chain, state, facts ->> 'severity' as severity, facts ->> 'title' as title, began_at as began,
      due_at as next, steps, error, to_char(began_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as place
    from escalation where state in ('open', 'exhausted') and (began_at, alert) > ($1::timestamptz, $2)
    order by began_at, alert limit $3`,
};

const rowsMax = 1_000;

type Row = Record<string, unknown>;
const instants = new Set(['began', 'ended', 'next', 'until', 'created', 'sent']);

/** Instants as ISO 8601 in UTC, also within lists. */
function readable(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => readable(each));
  if (instants.has(name) && value !== null) return new Date(value as number | string).toISOString();
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, readable(each, key)]));
}

const parameter = (name: string, description: string, schema: JsonSchema): AdminParameter => ({
  ...{ name, in: 'query', description, schema },
});
const checkParameters = [
  parameter('at', 'When; now without it', { type: 'string', format: 'date-time' }),
  parameter('severity', 'Of the alert; default critical', { type: 'string', enum: severities }),
  parameter('patient', 'Whom the alert is about, for patient-care-team: `Patient/1`', { type: 'string' }),
];

export function escalationRoutes(options: EscalationAdminOptions): AdminRoute[] {
  const { db, endpoints } = options;
  const routes: AdminRoute[] = [
    {
      ...{ method: 'GET', path: '/admin/alerts/:id/history' },
      summary: 'How an alert was escalated: each step, and each message with its recipient, attempts and outcome',
      async handle({ params }) {
        const rows = await db.query<Row>(history, [params.id ?? '']);
        if (rows.length === 0) throw new CerebraError('not-found', 'No alert of this id was escalated');
        return { status: 200, body: { escalations: readable(rows) } };
      },
    },
    {
      ...{ method: 'GET', path: '/admin/escalations' },
      summary: 'Escalations that nobody has ended, oldest first',
      parameters: [textParameter('after', '`next` of the page before'), limitParameter(rowsMax)],
      handle: async ({ query }) => ({ status: 200, body: await listRunning(db, query) }),
    },
    {
      ...{ method: 'GET', path: '/admin/escalations/chains' },
      summary: 'Chains (PlanDefinitions of type workflow-definition), each with its steps or with what is wrong in it',
      handle: async () => ({ status: 200, body: { chains: await listChains(options) } }),
    },
    {
      ...{ method: 'POST', path: '/admin/escalations/check' },
      summary: 'Whom a chain would tell, step by step: nothing is sent',
      parameters: checkParameters,
      request: { description: 'A PlanDefinition, or `{"chain": id}` for a stored one', schema: { type: 'object' } },
      handle: async (request) => ({ status: 200, body: await check(options, request) }),
    },
    {
      ...{ method: 'GET', path: '/admin/escalations/endpoints' },
      summary: 'The endpoints of ALERT_ENDPOINTS, without their secrets',
      handle: async () => ({
        status: 200,
        body: { endpoints: [...endpoints.values()].map(({ name, template }) => ({ name, template })) },
      }),
    },
    {
      ...{ method: 'POST', path: '/admin/escalations/endpoints/:name/test' },
      summary: 'Sends a message that says it is a test',
      parameters: [parameter('to', 'Where the endpoint needs an address of somebody', { type: 'string' })],
      handle: async ({ params, query }) => ({
        status: 200,
        body: await tryEndpoint(options, params.name ?? '', query),
      }),
    },
  ];
  return routes.map(withKnownQuery);
}

async function listRunning(db: Db, query: URLSearchParams): Promise<Row> {
  const limit = limitOf(query, rowsMax);
  const [since = '-infinity', alert = ''] = cursorOf(query.get('after'));
  const rows = await db.query<Row & { place: string; alert: string }>(running, [since, alert, limit]);
  const last = rows.length === limit ? rows.at(-1) : undefined;
  // With PostgreSQL's microseconds: cut to milliseconds the next page would begin with this row again.
  const next = last && `${last.place}_${last.alert}`;
  const escalations = rows.map(({ place: _place, ...row }) => readable(row));
  return { escalations, ...(next === undefined ? {} : { next }) };
}

/** `2026-01-31T08:00:00.000000Z_alert` */
function cursorOf(after: string | null): string[] {
  if (after === null) return [];
  const match = /^(\d{4}-\d\d-\d\dT[\d:.]+Z)_(.{1,100})$/.exec(after);
  if (!match || Number.isNaN(Date.parse(match[1]!)))
    throw new CerebraError('invalid-parameter', 'after must be the next of an earlier page', { expression: ['after'] });
  return [match[1]!, match[2]!];
}

const chainsMax = 500;

async function listChains({ reader, scope, endpoints }: EscalationAdminOptions): Promise<Row[]> {
  const { resources } = await reader.search('PlanDefinition', `type=workflow-definition&_count=${chainsMax}`, scope);
  return resources
    .map(({ body }) => parseJson(body).exact as Resource)
    .filter(isChain)
    .map((plan) => {
      const { id } = plan;
      const title = plan.title ?? plan.name ?? '';
      try {
        return { id, title, ...readChain(plan, new Set(endpoints.keys())) };
      } catch (error) {
        if (!isCerebraError(error)) throw error;
        return { id, title, problem: error.message };
      }
    });
}

async function check(options: EscalationAdminOptions, { body, query }: AdminRequest): Promise<Row> {
  const chain = readChain(await planOf(options, body), new Set(options.endpoints.keys()));
  const severity = (choice(query, 'severity', severities) ?? 'critical') as Severity;
  const atMs = query.has('at') ? Date.parse(query.get('at')!) : await nowOf(options.db);
  if (Number.isNaN(atMs)) {
    throw new CerebraError('invalid-parameter', 'at must be an instant, as 2026-01-05T20:00:00Z', {
      expression: ['at'],
    });
  }
  return { at: new Date(atMs).toISOString(), severity, steps: await rehearse(options, chain, severity, atMs, query) };
}

async function rehearse(
  options: EscalationAdminOptions,
  chain: Chain,
  severity: Severity,
  atMs: number,
  query: URLSearchParams,
): Promise<Row[]> {
  const steps: Row[] = [];
  let afterMs = 0;
  for (const turn of planFor(chain, severity).turns) {
    const step = chain.steps[turn]!;
    const { planned, notes } = await planStep(options, step, [query.get('patient') ?? ''], atMs + afterMs);
    const messages = planned
      .filter(({ state }) => state !== 'repeated')
      .map(({ channel, recipient, state }) => ({ channel, recipient, state }));
    steps.push({ step: turn + 1, title: step.title, at: new Date(atMs + afterMs).toISOString(), messages, notes });
    if (reaches(step, planned)) afterMs += step.waitMs;
  }
  return steps;
}

const nowOf = async (db: Db): Promise<number> =>
  (await db.query<{ now: number }>({ text: 'select statement_timestamp() as now' }))[0]!.now;

async function planOf({ reader, scope }: EscalationAdminOptions, body: Buffer): Promise<Resource> {
  const given = parseJson(body.toString()).exact as Resource & { chain?: string };
  if (typeof given?.chain !== 'string') {
    if (given?.resourceType === 'PlanDefinition') return given;
    throw new CerebraError(
      'invalid',
      'The body must be a PlanDefinition, or {"chain": "…"} with the id of a stored one',
    );
  }
  const stored = await reader.read('PlanDefinition', given.chain, scope);
  if (!stored || stored.deleted) throw new CerebraError('not-found', `There is no PlanDefinition/${given.chain}`);
  return parseJson(stored.body).exact as Resource;
}

async function tryEndpoint(options: EscalationAdminOptions, name: string, query: URLSearchParams): Promise<Row> {
  const endpoint = options.endpoints.get(name);
  if (!endpoint) throw new CerebraError('not-found', `ALERT_ENDPOINTS has no endpoint ${name}`);
  const address = query.get('to') ?? '';
  const kind = contactKindOf(endpoint);
  if (kind !== undefined && address === '') {
    const text = `to is missing: this endpoint tells a person, so name an address of kind ${kind}, ?to=…`;
    throw new CerebraError('required', text, { expression: ['to'] });
  }
  const nowMs = await nowOf(options.db);
  const [message] = compose(testNotice(options, address, nowMs), endpoint, nowMs);
  const answer = await post(message, options);
  const result = 'ok' in answer ? answer : judge(answer, endpoint);
  return { endpoint: name, sent: result.ok, ...(result.ok ? {} : { error: result.error }) };
}

function testNotice({ publicUrl }: EscalationAdminOptions, address: string, nowMs: number): Notice {
  return {
    ...{ kind: 'alert', id: `test-${nowMs}`, alert: `test/${nowMs}`, rule: 'test', step: '', code: '0000', address },
    ...{ title: 'This is a test: nothing has happened', severity: 'info', raisedMs: nowMs, others: [], more: 0 },
    source: new URL(publicUrl).host,
  };
}
