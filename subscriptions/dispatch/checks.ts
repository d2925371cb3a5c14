// The server's part in Subscription.status: https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.status
// `requested` becomes `active` or `error`; `active` becomes `error` after too many failures, and `off` at its end.
// What is to be done stands in table subscriber, so that a crash between the change and its answer loses nothing.
import {
  type AccessScope,
  type EntryResult,
  parseJson,
  type Resource,
  type ResourceReader,
  type ResourceWriter,
  type WriteContext,
} from '#fhir-model';
import { type Db, isCerebraError, type Log, type Queryable, type Statement, type Tx } from '#platform';
import type { Handshake } from '../channels/notification/handshake.ts';
import { parseCriteria } from '../match/criteria.ts';
import { type StoredCriteria, type StoredSearch, searchProblem } from '../match/stored.ts';
import { type Registration, type RegistrationRules, registrationOrProblem } from '../registration.ts';
import type { Refusals, Undone } from './refusals.ts';

export interface ChecksOptions {
  db: Db;
  reader: ResourceReader;
  writer: ResourceWriter;
  scope: AccessScope;
  rules: RegistrationRules;
  search: StoredSearch;
  log: Log;
  handshakes: Handshakes;
  refusals: Refusals;
}

/** Of the endpoints that must have taken a handshake before their Subscriptions are active. */
export interface Handshakes extends Handshake {
  /** Those under way, by Subscription.id: nobody waits for one but its own Subscription. */
  running: Map<string, Promise<void>>;
  /** Versions that this process made active, by Subscription.id: their endpoints have taken the handshake. */
  accepted: Map<string, number>;
  /** Breaks them off. */
  signal: AbortSignal;
  /** Called when one has been answered: a newer version of its Subscription may have waited. */
  onEnd(): void;
}

export interface SubscriptionStatus {
  status: 'requested' | 'active' | 'error' | 'off';
  /** Goes to Subscription.error; without it that element is removed. */
  error?: string;
}

const todo: Statement = {
  name: 'subscriber_todo',
  text: `select id, version, check_version, report, coalesce(state = 'active' and ends_at <= statement_timestamp(), false) as ended
    from subscriber
    where id > $1 and (check_version is not null or report is not null
      or (state = 'active' and ends_at <= statement_timestamp()))
    order by id limit $2`,
};

/** What failed, or has ended, is that version: a newer one is its client's, and comes with the stream. */
interface Todo extends Undone {
  ended: boolean;
}

const pageRows = 100;

/**
 * Does all there is to do. Run by the server that dispatches. True when something failed and has to be tried again.
 */
export async function runChecks(options: ChecksOptions): Promise<boolean> {
  const { refusals } = options;
  let failed = false;
  const undone = new Set<string>();
  const attempt = async (row: Todo) => {
    undone.add(row.id);
    if (refusals.isWaiting(row)) return;
    try {
      await doOne(options, row);
    } catch (err) {
      if (refusals.take(row, err)) return;
      failed = true;
      options.log.warn({ err, subscription: row.id }, 'the status of a subscription could not be written');
    }
  };
  let after = '';
  for (;;) {
    const rows = await options.db.query<Todo>(todo, [after, pageRows]);
    // Eight at a time: 10,000 Subscriptions of an import are active within seconds.
    for (let i = 0; i < rows.length; i += 8) await Promise.all(rows.slice(i, i + 8).map(attempt));
    if (rows.length < pageRows) break;
    after = rows.at(-1)!.id;
  }
  refusals.keep(undone);
  return failed;
}

const checked: Statement = {
  name: 'subscriber_checked',
  text: 'update subscriber set check_version = null where id = $1 and check_version = $2',
};

const reported: Statement = {
  name: 'subscriber_reported',
  text: 'update subscriber set report = null where id = $1 and report = $2',
};

async function doOne(options: ChecksOptions, row: Todo): Promise<void> {
  const { id, version, check_version, report, ended } = row;
  const isSame = (current: Resource, itsVersion: number) => current.status === 'active' && itsVersion === version;
  if (check_version !== null) {
    if ((await checkOne(options, row, check_version)) === 'answered')
      await options.db.query(checked, [id, check_version]);
  } else if (report !== null) {
    await setStatus(options, id, { status: 'error', error: report }, isSame);
    await options.db.query(reported, [id, report]);
  } else if (ended) {
    await setStatus(options, id, { status: 'off' }, isSame);
  }
}

/** Under way at a time; a host takes no more than it does of notifications. */
const handshakesMax = 256;

/**
 * A version that is no longer the current one needs no answer: the stream brings the newer one. `waiting`: for the endpoint, which
 * is asked meanwhile.
 */
async function checkOne(options: ChecksOptions, row: Todo, version: number): Promise<'answered' | 'waiting'> {
  const { handshakes, rules, refusals } = options;
  const { id } = row;
  if (handshakes.running.has(id)) return 'waiting';
  const stored = await options.reader.read('Subscription', id, options.scope);
  if (!stored || stored.deleted || stored.version !== version) return 'answered';
  const subscription = parseJson(stored.body).exact as Resource;
  const registration = registrationOrProblem(subscription, rules);
  const problem = typeof registration === 'string' ? registration : await criteriaProblem(options, registration);
  if (typeof registration === 'string' || problem !== undefined || !handshakes.isNeeded(registration)) {
    await answer(options, subscription, version, problem);
    return 'answered';
  }
  if (handshakes.running.size >= handshakesMax) return 'waiting';
  const running = shake(options, subscription, version, registration).catch((err: unknown) => {
    if (!refusals.take(row, err)) options.log.warn({ err, subscription: id }, 'a handshake will be repeated');
  });
  handshakes.running.set(id, running);
  return 'waiting';
}

async function shake(
  options: ChecksOptions,
  subscription: Resource,
  version: number,
  registration: Registration,
): Promise<void> {
  const { handshakes, db } = options;
  const id = subscription.id ?? '';
  try {
    const result = await handshakes.shake({ ...registration, id }, handshakes.signal);
    // Looked at again with everything else, and not at once: its host may be left alone for a while.
    if (result === 'later') return;
    // Before the commit: the stream may show the new version before this comes to know of it.
    const within = async (_tx: Tx, [written]: EntryResult[]) => {
      if (written) remember(handshakes.accepted, id, written.version);
    };
    if (result === 'accepted') await answer(options, subscription, version, undefined, within);
    else await answer(options, subscription, version, result.problem);
    await db.query(checked, [id, version]);
  } finally {
    handshakes.running.delete(id);
  }
  handshakes.onEnd();
}

/** Known until the stream comes to that version, some milliseconds later; 100,000 of them take 10 MB. */
const acceptedMax = 100_000;

function remember(accepted: Map<string, number>, id: string, version: number): void {
  accepted.set(id, version);
  const [oldest = ''] = accepted.size > acceptedMax ? accepted.keys() : [];
  accepted.delete(oldest);
}

async function answer(
  options: ChecksOptions,
  subscription: Resource,
  version: number,
  problem: string | undefined,
  within?: WriteContext['within'],
): Promise<void> {
  const next: SubscriptionStatus = problem ? { status: 'error', error: problem } : { status: 'active' };
  await write(options, subscription, version, next, within);
  // Without the problem, which stands in Subscription.error: it may repeat criteria, and those may name a patient.
  options.log.info({ subscription: subscription.id, status: next.status }, 'subscription checked');
}

/** What the database says of the criteria that it will have to decide. */
async function criteriaProblem(
  { rules, search }: ChecksOptions,
  { topic, criteria }: Registration,
): Promise<string | undefined> {
  const asked = topic && rules.topics ? [...rules.topics.filtersOf(topic).values()] : [parseCriteria(criteria, rules)];
  const own = asked.map(({ query, stored }): StoredCriteria => ({ type: query.type, search: stored }));
  const ofTopic = topic && rules.topics ? rules.topics.storedOf(topic) : [];
  for (const { type, search: text } of [...own, ...ofTopic]) {
    const problem = text === '' ? undefined : await searchProblem(() => search(type, text, ['none']));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * Gives the current version of a Subscription another status, if `when` holds for it. False when there is none, it is
 * deleted, `when` does not hold, or somebody else changed it at the same moment.
 */
export async function setStatus(
  options: Pick<ChecksOptions, 'reader' | 'writer' | 'scope'>,
  id: string,
  next: SubscriptionStatus,
  when: (current: Resource, version: number) => boolean,
): Promise<boolean> {
  const stored = await options.reader.read('Subscription', id, options.scope);
  if (!stored || stored.deleted) return false;
  const subscription = parseJson(stored.body).exact as Resource;
  return when(subscription, stored.version) && (await write(options, subscription, stored.version, next));
}

async function write(
  { writer, scope }: Pick<ChecksOptions, 'writer' | 'scope'>,
  subscription: Resource,
  version: number,
  { status, error }: SubscriptionStatus,
  within?: WriteContext['within'],
): Promise<boolean> {
  const { error: _former, ...rest } = subscription;
  const resource = { ...rest, status, ...(error === undefined ? {} : { error }) } as Resource;
  const url = `Subscription/${subscription.id}`;
  try {
    await writer.transaction([{ method: 'PUT', url, resource, ifMatch: `W/"${version}"` }], {
      scope,
      ...(within ? { within } : {}),
    });
    return true;
  } catch (failure) {
    if (isCerebraError(failure) && [404, 410, 412].includes(failure.status)) return false;
    throw failure;
  }
}

const recheck: Statement = {
  name: 'subscriber_recheck',
  text: `update subscriber set check_version = version where id = $1 and state = 'active'`,
};

/** Has an active subscription checked again, as if it had been requested. */
export async function recheckSubscriber(db: Queryable, id: string): Promise<void> {
  await db.query(recheck, [id]);
}
