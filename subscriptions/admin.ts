// Admin endpoints of the change stream: who listens, what is owed, and a nudge.
import { type AccessScope, type JsonObject, parseJson, type ResourceReader, type ResourceWriter } from '#fhir-model';
import { type AdminRoute, CerebraError, type Db, isCerebraError, type Statement, withKnownQuery } from '#platform';
import { choice, choiceParameter, limitOf, limitParameter, textParameter } from './admin-query.ts';
import { setStatus } from './dispatch/checks.ts';
import { channelTypeOf } from './topics/subscription.ts';

export interface AdminOptions {
  db: Db;
  reader: ResourceReader;
  writer: ResourceWriter;
  scope: AccessScope;
  wake: () => void;
}

const rowsMax = 1_000;

const list: Statement = {
  name: 'admin_subscribers',
  text: `select id, channel, state, criteria, endpoint, last_number as "lastNumber", done_number as "doneNumber",
      last_number - done_number as pending, attempts, due_at as "nextAttempt", failing_since as "failingSince", error
    from subscriber where id > $1 and ($2::text is null or state = $2) order by id limit $3`,
};

const one: Statement = { name: 'admin_subscriber', text: 'select id, channel, state from subscriber where id = $1' };

// A text for each outcome: the planner sees the index of what failed, and what is pending comes after what has ended.
const deliveries = (outcome: string | undefined): Statement => ({
  name: `admin_deliveries_${outcome ?? 'all'}`,
  text: `select number, type, id, version, changed_at as changed, coalesce(outcome, 'pending') as outcome, attempts,
      ended_at as ended, error
    from delivery where subscriber = $1 and number > ${isAfter(outcome)} order by number limit $3`,
});

function isAfter(outcome: string | undefined): string {
  if (outcome === undefined) return '$2';
  if (outcome !== 'pending') return `$2 and outcome = '${outcome}'`;
  return 'greatest($2::bigint, (select done_number from subscriber where id = $1)) and outcome is null';
}

const about: Statement = {
  name: 'admin_dead_subscriber',
  text: `select id, state, error, failing_since as "failingSince",
      case when state = 'error' then last_number - done_number else 0 end as undelivered
    from subscriber where id = $1`,
};

// What it is owed and will not get before a client requests it anew, and what was set aside alone.
const deadLetters: Statement = {
  name: 'admin_dead_letters',
  text: `select d.number, d.type, d.id, d.version, d.op, d.changed_at as changed, coalesce(d.outcome, 'pending') as outcome,
      d.attempts, d.error
    from (
      (select * from delivery where subscriber = $1 and outcome = 'failed' and number > $2 order by number limit $3)
      union all
      (select * from delivery where subscriber = $1 and outcome is null and number > greatest($2::bigint,
          (select case when state = 'error' then done_number else last_number end from subscriber where id = $1))
        order by number limit $3)
    ) d order by d.number limit $3`,
};

interface Listed {
  id: string;
  channel: string;
  state: string;
}

type Row = Record<string, unknown>;

/** Instants as ISO 8601. */
const readable = (row: Row, names: string[]): Row => {
  const out = { ...row };
  for (const name of names) if (typeof out[name] === 'number') out[name] = new Date(out[name] as number).toISOString();
  return out;
};

const states = ['requested', 'active', 'error', 'off', 'deleted'];
const outcomes = ['pending', 'delivered', 'failed', 'gone', 'requeued'];

const after = textParameter('after', 'The last number of the page before');
const limit = limitParameter(rowsMax);

export function adminRoutes(options: AdminOptions): AdminRoute[] {
  const { db } = options;
  const find = async (id: string): Promise<Listed> => {
    const [found] = await db.query<Listed>(one, [id]);
    if (!found) throw new CerebraError('not-found', 'There is no such subscription');
    return found;
  };
  const routes: AdminRoute[] = [
    {
      method: 'GET',
      path: '/admin/subscriptions',
      summary: 'Subscriptions and alerts: state, last number, pending, last error',
      parameters: [
        choiceParameter('state', 'Only those', states),
        textParameter('after', 'The last id of the page before'),
        limit,
      ],
      async handle({ query }) {
        const values = [query.get('after') ?? '', choice(query, 'state', states), limitOf(query, rowsMax)];
        const rows = await asked(options, await db.query<Subscriber>(list, values));
        return {
          status: 200,
          body: { subscriptions: rows.map((row) => readable(row, ['nextAttempt', 'failingSince'])) },
        };
      },
    },
    {
      method: 'GET',
      path: '/admin/subscriptions/:id/deliveries',
      summary: 'Deliveries of one subscription',
      parameters: [choiceParameter('outcome', 'Only those', outcomes), after, limit],
      async handle({ params, query }) {
        const { id } = await find(params.id ?? '');
        const outcome = choice(query, 'outcome', outcomes);
        const rows = await db.query<Row>(deliveries(outcome), [id, numberOf(query), limitOf(query, rowsMax)]);
        return { status: 200, body: { deliveries: rows.map((row) => readable(row, ['changed', 'ended'])) } };
      },
    },
    {
      method: 'GET',
      path: '/admin/subscriptions/:id/dead-letters',
      summary: 'What a subscription in error was not told, and what was set aside as failed, with the last error',
      parameters: [after, limit],
      async handle({ params, query }) {
        const { id } = await find(params.id ?? '');
        const [state] = await db.query<Row>(about, [id]);
        const rows = await db.query<Row>(deadLetters, [id, numberOf(query), limitOf(query, rowsMax)]);
        const letters = rows.map((row) => readable(row, ['changed']));
        return { status: 200, body: { ...readable(state!, ['failingSince']), deadLetters: letters } };
      },
    },
    {
      method: 'POST',
      path: '/admin/subscriptions/:id/retry',
      summary: 'Tries again now: ends a backoff, requests a subscription in error anew, repeats failed alerts',
      statuses: [202],
      async handle({ params }) {
        const subscriber = await find(params.id ?? '');
        const done = await retry(options, subscriber);
        options.wake();
        return { status: 202, body: { id: subscriber.id, ...done } };
      },
    },
  ];
  return routes.map(withKnownQuery);
}

interface Subscriber extends Row, Listed {
  criteria: string;
  endpoint: string;
}

/** Subscriptions that are read at once. */
const readsMax = 4;

/** What is not active has been asked for in another form, or never was: that its Subscription tells, and not the row. */
async function asked(options: AdminOptions, rows: readonly Subscriber[]): Promise<Subscriber[]> {
  const told: Subscriber[] = [];
  for (let at = 0; at < rows.length; at += readsMax) {
    told.push(...(await Promise.all(rows.slice(at, at + readsMax).map((row) => askedOf(options, row)))));
  }
  return told;
}

async function askedOf({ reader, scope }: AdminOptions, row: Subscriber): Promise<Subscriber> {
  if (row.id.includes(':') || row.state === 'active' || row.state === 'deleted') return row;
  const stored = await reader.read('Subscription', row.id, scope);
  if (!stored || stored.deleted) return row;
  const { criteria, channel } = parseJson(stored.body).exact as { criteria: string; channel: JsonObject };
  return { ...row, criteria, channel: channelNameOf(channel), endpoint: String(channel.endpoint ?? '') };
}

/** Also one that is not to be had here. */
function channelNameOf(channel: JsonObject): string {
  try {
    return channelTypeOf(channel);
  } catch (err) {
    if (!isCerebraError(err)) throw err;
    return String(channel.type ?? '');
  }
}

function numberOf(query: URLSearchParams): string {
  const after = query.get('after') ?? '0';
  if (!/^\d{1,18}$/.test(after)) {
    throw new CerebraError('invalid-parameter', 'after must be the number of a delivery', { expression: ['after'] });
  }
  return after;
}

const endBackoff: Statement = {
  name: 'admin_end_backoff',
  text: `update subscriber set due_at = statement_timestamp(), attempts = 0, failing_since = null
    where id = $1 and state = 'active' and (done_number < last_number or resends > 0)`,
};

// The change gets a new number at the end: what has been numbered after it has been delivered already. Of a rule that is not in force
// nothing is repeated: it would be owed for good, and every change since would be kept for it.
const requeueFailed: Statement = {
  name: 'admin_requeue',
  // Locked: what is removed for its age meanwhile would leave numbers that nothing has.
  text: `with f as (
      select number, row_number() over (order by number) as place from (
        select number from delivery where subscriber = $1 and outcome = 'failed' order by number limit $2
        for update skip locked) l),
    s as (
      update subscriber set last_number = last_number + (select count(*) from f),
        due_at = coalesce(due_at, statement_timestamp())
      where id = $1 and state = 'active' and exists (select from f) returning last_number - (select count(*) from f) as base),
    u as (
      update delivery d set outcome = 'requeued' from f, s where d.subscriber = $1 and d.number = f.number returning d.*)
    insert into delivery (subscriber, number, change_xid, change_seq, changed_at, version, type, id, op, again)
    select u.subscriber, s.base + f.place, u.change_xid, u.change_seq, u.changed_at, u.version, u.type, u.id, u.op, true
    from u join f on f.number = u.number, s`,
};

async function retry(options: AdminOptions, { id, channel, state }: Listed): Promise<Row> {
  const { db } = options;
  if (channel === 'alert') {
    const requeued = await db.queryCount(requeueFailed, [id, rowsMax]);
    return { requeued, resumed: (await db.queryCount(endBackoff, [id])) > 0 };
  }
  if (state === 'error') {
    const requested = await setStatus(options, id, { status: 'requested' }, ({ status }) => status === 'error');
    return { requested };
  }
  return { resumed: (await db.queryCount(endBackoff, [id])) > 0 };
}
