// Admin endpoints of alerts and their rules.
import { decimalText, isNumber, type JsonObject, parseSentJson, type Resource } from '#fhir-model';
import {
  type AdminRequest,
  type AdminResponse,
  type AdminRoute,
  CerebraError,
  type Clock,
  type Db,
  type Statement,
  withKnownQuery,
} from '#platform';
import { choice, choiceParameter, limitOf, limitParameter, textParameter } from '../admin-query.ts';
import type { CriteriaRules } from '../match/criteria.ts';
import type { DryRun, DryRuns } from './dry-run.ts';
import { type RuleSet, ruleOfBody } from './rule-set.ts';
import { severities } from './rules/rule.ts';
import type { AlertKeeper } from './state/alerts.ts';
import { listAlerts } from './state/listing.ts';
import type { AlertRow } from './state/row.ts';
import { rowById } from './state/rows.ts';

export interface AlertRoutesOptions {
  db: Db;
  clock: Clock;
  rules: RuleSet;
  alerts: AlertKeeper;
  dryRuns: DryRuns;
  criteria: CriteriaRules;
}

const limitMax = 1_000;
const statuses = ['open', 'active', 'acknowledged', 'suppressed', 'resolved'];
const snoozeMinutesMax = 7 * 24 * 60;
const waitMsMax = 20_000;

export function alertRoutes(options: AlertRoutesOptions): AdminRoute[] {
  return [...ruleRoutes(options), ...dryRunRoutes(options), ...stateRoutes(options)].map(withKnownQuery);
}

const isoOf = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

function shown(row: AlertRow) {
  const { id, rule, subject, key, episode, status, severity, title, detail, code, encounter, evidence, escalation } =
    row;
  return {
    ...{ id, rule, subject, key, episode, status, severity, title, detail, code, encounter, evidence, escalation },
    ...{ at: isoOf(row.atMs), raised: isoOf(row.raisedMs), ended: isoOf(row.endedMs) },
    ...{ acknowledged: isoOf(row.acknowledgedMs), acknowledgedBy: row.acknowledgedBy, note: row.note },
    ...{ silentUntil: isoOf(row.notifyMs), group: row.group, told: row.tells },
  };
}

function stateRoutes({ db, alerts, clock }: AlertRoutesOptions): AdminRoute[] {
  const find = async (id: string): Promise<AlertRow> => {
    const row = await rowById(db, id);
    if (!row) throw new CerebraError('not-found', 'There is no such alert');
    return row;
  };
  const after = async (id: string, done: boolean, otherwise: string) => {
    const row = await find(id);
    if (!done) throw new CerebraError('business-rule', `${otherwise}: it is ${row.status}`);
    return { status: 200, body: shown(row) };
  };
  return [
    {
      method: 'GET',
      path: '/admin/alerts',
      summary: 'Alerts, the latest first',
      parameters: [
        choiceParameter('status', '`open` are those that are active or acknowledged', statuses),
        textParameter('patient', 'Whom they are about: `Patient/1` or `1`'),
        textParameter('rule', 'PlanDefinition.id'),
        choiceParameter('severity', 'Of that severity or above', severities),
        textParameter('after', '`next` of the page before'),
        limitParameter(limitMax),
      ],
      async handle({ query }) {
        const status = choice(query, 'status', statuses);
        const severity = choice(query, 'severity', severities);
        const { rows, next } = await listAlerts(db, {
          ...{ status, severity, rule: query.get('rule') ?? undefined, after: query.get('after') ?? undefined },
          subject: subjectOf(query.get('patient')),
          limit: limitOf(query, limitMax),
        });
        return { status: 200, body: { alerts: rows.map(shown), next } };
      },
    },
    {
      method: 'GET',
      path: '/admin/alerts/:id',
      summary: 'One alert',
      handle: async ({ params }) => ({ status: 200, body: shown(await find(params.id ?? '')) }),
    },
    byHand('acknowledge', after, {
      summary: 'Somebody takes care of it: its Task is completed, escalation ends',
      note: 'Potassium is being lowered',
      act: alerts.acknowledge,
      otherwise: 'It can not be acknowledged',
    }),
    {
      method: 'POST',
      path: '/admin/alerts/:id/snooze',
      summary: 'Nobody is told of it for so many minutes; if it still stands then, it is told anew',
      request: {
        schema: {
          type: 'object',
          required: ['by', 'minutes'],
          properties: { by: { type: 'string' }, minutes: { type: 'integer', minimum: 1, maximum: snoozeMinutesMax } },
        },
        example: { by: 'Practitioner/1', minutes: 30 },
      },
      async handle(request) {
        const { by, minutes } = bodyOf(request);
        const forMinutes = isNumber(minutes) ? Number(decimalText(minutes)) : Number.NaN;
        if (!Number.isInteger(forMinutes) || forMinutes < 1 || forMinutes > snoozeMinutesMax) {
          throw new CerebraError('invalid-parameter', `minutes must be a whole number from 1 to ${snoozeMinutesMax}`);
        }
        const id = request.params.id ?? '';
        const done = await alerts.snooze(id, clock.now() + forMinutes * 60_000, needed(by, 'by'));
        return after(id, done, 'It can not be snoozed');
      },
    },
    byHand('close', after, {
      summary: 'Somebody ends it by hand: its Flag is inactive, its Task cancelled, escalation ends',
      note: 'The probe had come off',
      act: alerts.close,
      otherwise: 'It can not be closed',
    }),
  ];
}

type After = (id: string, done: boolean, otherwise: string) => Promise<AdminResponse>;

interface ByHand {
  summary: string;
  /** For example. */
  note: string;
  act(id: string, by: string, note?: string): Promise<boolean>;
  otherwise: string;
}

/** What somebody does with an alert, perhaps saying why. */
const byHand = (verb: string, after: After, { summary, note: example, act, otherwise }: ByHand): AdminRoute => ({
  ...{ method: 'POST', path: `/admin/alerts/:id/${verb}`, summary },
  request: {
    schema: {
      type: 'object',
      required: ['by'],
      properties: { by: { type: 'string', description: '`Practitioner/1`, or a name' }, note: { type: 'string' } },
    },
    example: { by: 'Practitioner/1', note: example },
  },
  async handle(request) {
    const { by, note } = bodyOf(request);
    const id = request.params.id ?? '';
    const done = await act(id, needed(by, 'by'), typeof note === 'string' ? note : undefined);
    return after(id, done, otherwise);
  },
});

const subjectOf = (patient: string | null): string | undefined =>
  patient === null ? undefined : /[/|]/.test(patient) ? patient : `Patient/${patient}`;

function bodyOf({ body }: AdminRequest): JsonObject {
  const json = body.length === 0 ? {} : parseSentJson(body.toString('utf8')).exact;
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new CerebraError('invalid', 'The body must be a JSON object');
  }
  return json as JsonObject;
}

function needed(value: unknown, name: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw new CerebraError('required', `${name} is missing: a text`, { expression: [name] });
}

// Rules that are faulty are there with state error; those that were retired are left out.
const listed: Statement = {
  name: 'alert_rules_listed',
  text: `select substr(s.id, 7) as id, s.state, s.endpoint, s.version, s.criteria, s.error, s.last_number as judged,
      s.last_number - s.done_number as pending,
      (select count(*) from alert a where a.rule = substr(s.id, 7) and a.status <> 'resolved') as open
    from subscriber s where s.id like 'alert:%' and s.id not like 'alert::%' and s.state in ('active', 'error') order by s.id`,
};

interface ListedRule {
  id: string;
  state: string;
  endpoint: string;
  version: number;
  criteria: string;
  error: string | null;
  judged: bigint;
  pending: bigint;
  open: bigint;
}

function ruleRoutes({ db, rules }: AlertRoutesOptions): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/admin/alerts/rules',
      summary: 'Rules in force, and PlanDefinitions that are no sound rules, with what is wrong',
      async handle() {
        const rows = await db.query<ListedRule>(listed);
        const titles = new Map((await rules.all()).map(({ rule }) => [rule.id, rule]));
        return {
          status: 200,
          body: {
            rules: rows.map(({ endpoint, version, criteria: _text, ...row }) => {
              const rule = titles.get(row.id);
              const builtIn = endpoint.startsWith('built-in/');
              const fault = rules.faultOf(endpoint);
              return {
                ...{ ...row, ...(fault === undefined ? {} : { state: 'error', error: fault }) },
                ...{ title: rule?.title, kind: rule?.kind, builtIn, version: builtIn ? undefined : version },
              };
            }),
          },
        };
      },
    },
  ];
}

function dryRunRoutes({ rules, dryRuns, criteria, clock }: AlertRoutesOptions): AdminRoute[] {
  const found = (id: string): DryRun => {
    const run = dryRuns.get(id);
    if (!run) throw new CerebraError('not-found', 'There is no such dry run on this server');
    return run;
  };
  const ruleOf = async (id: string) => {
    const ready = await rules.inForce(id);
    if (!ready) throw new CerebraError('not-found', `There is no rule '${id.slice(0, 64)}' in force`);
    return ready;
  };
  const start = async ({ query }: AdminRequest, ready: Parameters<DryRuns['start']>[0]) => {
    const { fromMs, toMs } = rangeOf(query, clock.now());
    const waitMs = waitMsOf(query);
    const run = dryRuns.start(ready, fromMs, toMs);
    await dryRuns.wait(run.id, waitMs);
    return { status: run.state === 'running' ? 202 : 200, body: run };
  };
  const range = [
    textParameter('from', 'ISO 8601; default: a week ago'),
    textParameter('to', 'ISO 8601; default: now'),
    textParameter('wait', 'Seconds to wait for the end, up to 20; default 5. Later it is asked for by its id'),
  ];
  return [
    {
      method: 'POST',
      path: '/admin/alerts/rules/:id/dry-run',
      summary: 'What a rule in force would have raised: reads the history of changes, writes nothing',
      parameters: range,
      handle: async (request) => start(request, await ruleOf(request.params.id ?? '')),
    },
    {
      method: 'POST',
      path: '/admin/alerts/dry-run',
      summary:
        'What a rule that is sent, a PlanDefinition, would have raised: reads the history of changes, writes nothing',
      parameters: range,
      request: { schema: { type: 'object', description: 'A PlanDefinition' } },
      handle: async (request) => start(request, ruleOfBody(bodyOf(request) as Resource, criteria)),
    },
    {
      method: 'GET',
      path: '/admin/alerts/dry-runs/:id',
      summary: 'How far a dry run is, and what it has found',
      handle: async ({ params }) => ({ status: 200, body: found(params.id ?? '') }),
    },
    {
      method: 'DELETE',
      path: '/admin/alerts/dry-runs/:id',
      summary: 'Ends a dry run',
      async handle({ params }) {
        const run = found(params.id ?? '');
        dryRuns.cancel(run.id);
        return { status: 200, body: run };
      },
    },
  ];
}

const weekMs = 7 * 86_400_000;

function rangeOf(query: URLSearchParams, nowMs: number): { fromMs: number; toMs: number } {
  const instant = (name: string, otherwise: number): number => {
    const given = query.get(name);
    const ms = given === null ? otherwise : Date.parse(given);
    if (Number.isFinite(ms)) return ms;
    throw new CerebraError('invalid-parameter', `${name} must be a date and time, ISO 8601`, { expression: [name] });
  };
  const toMs = instant('to', nowMs);
  const fromMs = instant('from', toMs - weekMs);
  if (fromMs < toMs) return { fromMs, toMs };
  throw new CerebraError('invalid-parameter', 'from must be before to', { expression: ['from'] });
}

function waitMsOf(query: URLSearchParams): number {
  const seconds = Number(query.get('wait') ?? 5);
  if (seconds >= 0 && seconds * 1_000 <= waitMsMax) return seconds * 1_000;
  throw new CerebraError('invalid-parameter', `wait must be 0 to ${waitMsMax / 1_000} seconds`, {
    expression: ['wait'],
  });
}
