// The pool of connections: https://node-postgres.com/apis/pool
import pg from 'pg';
import { CerebraError } from '../errors.ts';
import type { Log } from '../log.ts';
import { ask } from './ask.ts';
import { cancellable, type Runner } from './cancel.ts';
import { copyFrom } from './copy.ts';
import { databaseError, isReadOnly, sqlState } from './errors.ts';
import { inLine } from './line.ts';
import { typeParsers } from './parsers.ts';
import type { Db, Queryable, Statement, Tx, TxOptions } from './types.ts';

export interface ConnectOptions {
  /** postgres://user:password@host:port/database; instead of the five fields below. */
  url?: string | undefined;
  /** Host name, address, or the folder of a Unix socket. */
  host?: string | undefined;
  port?: number | undefined;
  user?: string | undefined;
  password?: string | undefined;
  database?: string | undefined;
  poolMax: number;
  /** Once opened, so many stay, however long they are idle; default: none for longer than a minute. */
  poolMin?: number | undefined;
  log: Log;
  /** 0 or absent: PostgreSQL's own setting. */
  statementTimeoutMs?: number | undefined;
  /**
   * Transactions that wait longer for their next statement are rolled back, so that a process that stands still holds neither
   * locks nor the horizon of the change stream for ever. 0 or absent: PostgreSQL's own setting.
   */
  idleTransactionTimeoutMs?: number | undefined;
  /** How long a caller waits for a free connection. */
  acquireTimeoutMs?: number | undefined;
  /** How long close() waits for running queries before it cuts their connections. */
  closeTimeoutMs?: number | undefined;
  applicationName?: string | undefined;
}

/**
 * A host that vanishes (its power goes, the network to it, a virtual machine is fenced off) closes no connection. Who waits for an
 * answer then waited for two hours, the system's own time until it asks (tcp_keepalive_time), though the database had long been
 * taken over by another host: with all of the pool, and nothing was served. Asked after so long, each second, it is given up after
 * ten: https://nodejs.org/api/net.html#socketsetkeepaliveenable-initialdelay
 */
export const KEEP_ALIVE_AFTER_MS = 10_000;

/** Connects lazily: the first query tells whether the server is there. */
export function connectDb(options: ConnectOptions): Db {
  const pool = new pg.Pool(poolConfig(options));
  let closing: Promise<void> | undefined;
  pool.on('error', (err) => {
    if (!closing) options.log.warn({ err }, 'idle database connection lost');
  });
  const open = new Set<pg.PoolClient>();
  pool.on('acquire', keepPlansFresh);
  pool.on('connect', (client) => {
    open.add(client);
    client.once('end', () => open.delete(client));
    // Between its acquisition and the turn of whoever asked for it nobody else listens: DISCARD PLANS on a connection that is
    // lost by then would end the process. Its queries tell the error as well.
    client.on('error', () => undefined);
    // What it fails for the first query of this connection tells.
    client.query(PLANS_AS_EMBEDDED).catch(() => undefined);
  });
  return {
    ...queryable(pool),
    inLine: queryable(inLine(pool, keepPlansFresh)),
    tx: (work, options) => transaction(pool, work, options ?? {}),
    until: (signal) => queryable(cancellable(pool, signal)),
    stats: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => {
      closing ??= closePool(pool, open, options.closeTimeoutMs ?? 10_000);
      return closing;
    },
  };
}

/**
 * What the embedded server is started with, for others that an administrator has not set otherwise. PostgreSQL compiles queries
 * that it expects to be costly, a search by many ways for half a second where it then runs for some milliseconds:
 * https://www.postgresql.org/docs/current/jit-decision.html. And it takes a page read out of order for four times as costly as
 * one in order, which holds for turning disks: on others it reads and sorts all rows where an index has the first ones.
 */
const PLANS_AS_EMBEDDED = `select set_config(name, case name when 'jit' then 'off' else '1.1' end, false) from pg_settings
  where name = 'jit' or name = 'random_page_cost' and source = 'default'`;

/**
 * A plan that PostgreSQL keeps for any values was made for tables as they were: of one that was empty all rows are read, and
 * still are when it has a million, until autovacuum has looked at it. Planning what is hot anew costs a connection some 10 ms.
 */
const PLANS_KEPT_MS = 5_000;
const plansSince = new WeakMap<pg.PoolClient, number>();

function keepPlansFresh(client: pg.PoolClient): void {
  const nowMs = performance.now();
  const sinceMs = plansSince.get(client);
  if (sinceMs !== undefined && nowMs - sinceMs < PLANS_KEPT_MS) return;
  plansSince.set(client, nowMs);
  // Goes ahead of the query the client was acquired for; should it fail, that one tells why.
  if (sinceMs !== undefined) client.query('DISCARD PLANS').catch(() => undefined);
}

/**
 * pool.end() does not wait for the sockets of idle connections, which a caller who stops PostgreSQL next wants gone; and
 * it waits for ever for a connection that nobody gives back, which is cut instead.
 */
async function closePool(pool: pg.Pool, open: Set<pg.PoolClient>, timeoutMs: number): Promise<void> {
  const gone = Promise.all([...open].map((client) => new Promise((resolve) => client.once('end', resolve))));
  const cut = Promise.withResolvers<unknown>();
  const timer = setTimeout(() => {
    for (const client of open) (client as unknown as Connected).connection.stream.destroy();
    cut.resolve(gone);
  }, timeoutMs);
  await Promise.race([Promise.all([pool.end(), gone]), cut.promise]);
  clearTimeout(timer);
}

interface Connected {
  connection: { stream: { destroy(): void } };
}

function poolConfig(options: ConnectOptions): pg.PoolConfig {
  const target = options.url
    ? { connectionString: options.url }
    : {
        host: options.host,
        port: options.port,
        user: options.user,
        password: options.password ?? '',
        database: options.database,
      };
  return {
    ...(target as pg.PoolConfig),
    max: options.poolMax,
    min: options.poolMin ?? 0,
    pipeline: true,
    types: typeParsers as unknown as pg.CustomTypesConfig,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    idleTimeoutMillis: 60_000,
    connectionTimeoutMillis: options.acquireTimeoutMs ?? 30_000,
    application_name: options.applicationName ?? 'cerebra',
    ...(options.statementTimeoutMs ? { statement_timeout: options.statementTimeoutMs } : {}),
    ...(options.idleTransactionTimeoutMs
      ? { idle_in_transaction_session_timeout: options.idleTransactionTimeoutMs }
      : {}),
  };
}

function queryable(runner: Runner): Queryable {
  const run = async (statement: Statement, values: unknown[] | undefined) => {
    try {
      return await runner.query(config(statement, values));
    } catch (error) {
      throw databaseError(error);
    }
  };
  return {
    query: async <R>(statement: Statement, values?: unknown[]) => (await run(statement, values)).rows as R[],
    queryCount: async (statement, values) => (await run(statement, values)).rowCount ?? 0,
  };
}

function config(statement: Statement, values: unknown[] | undefined) {
  const { name, text } = statement;
  if (name === undefined) return values === undefined ? { text } : { text, values };
  return { name, text, values: values ?? [] };
}

/** Of the client's connection only its socket: https://nodejs.org/api/stream.html#writablecork */
interface WithSocket {
  connection?: { stream?: { cork(): void; uncork(): void } };
}

/**
 * Queries of one turn of the event loop leave in one write: a bundle's ten pipelined statements were ten system calls,
 * 23 % of the server's CPU under a load of HL7 messages.
 */
function burst(client: pg.PoolClient, onFailure: (error: unknown) => void): Runner {
  const { stream } = (client as unknown as WithSocket).connection ?? {};
  let corked = false;
  const uncork = () => {
    corked = false;
    stream?.uncork();
  };
  return {
    query(query) {
      if (!corked && stream) {
        corked = true;
        stream.cork();
        setImmediate(uncork);
      }
      const result = ask(client, query);
      result.catch(onFailure);
      return result;
    },
  };
}

const KEEP_PLANS = 'SET LOCAL plan_cache_mode = force_generic_plan';
const PLAN_BY_VALUES = 'SET LOCAL plan_cache_mode = auto';

/** Statements run by plans that are kept, but those that are planned by their values. */
function withKeptPlans(queries: Queryable): Queryable {
  let keeps = true;
  const setMode = ({ planned }: Statement): void => {
    if (keeps === (planned === undefined)) return;
    keeps = !keeps;
    // What it fails for fails the statement behind it too.
    queries.query({ text: keeps ? KEEP_PLANS : PLAN_BY_VALUES }).catch(() => undefined);
  };
  return {
    query: (statement, values) => {
      setMode(statement);
      return queries.query(statement, values);
    },
    queryCount: (statement, values) => {
      setMode(statement);
      return queries.queryCount(statement, values);
    },
  };
}

interface Connection {
  client: pg.PoolClient;
  keepsPlans: boolean;
}

/** What a transaction does on its one connection; `queued` gets what nobody waits for. */
function transactional(
  { client, keepsPlans }: Connection,
  onFailure: (error: unknown) => void,
  queued: Promise<unknown>[],
): Tx {
  const queries = queryable(burst(client, onFailure));
  const { query, queryCount } = keepsPlans ? withKeptPlans(queries) : queries;
  return {
    ...{ query, queryCount },
    copy: (text, data) =>
      copyFrom(client, text, data).catch((error: unknown) => {
        throw databaseError(error);
      }),
    queue(statement, values, errorOf = (error) => error) {
      const result = query(statement, values).catch((error: unknown) => {
        if (isAftermath(error)) throw error;
        const told = errorOf(error);
        onFailure(told);
        throw told;
      });
      // Heard of at the end, by whoever waits for the transaction.
      result.catch(() => undefined);
      queued.push(result);
    },
  };
}

const IN_FAILED_TRANSACTION = '25P02';

/** Of statements that were pipelined behind the one that failed, whose own error may reach the caller later. */
const isAftermath = (error: unknown): boolean => sqlState(error) === IN_FAILED_TRANSACTION;

/** Its queries yield nothing before BEGIN has succeeded, which PostgreSQL answers first. */
function startedBy(begun: Promise<unknown>, tx: Tx): Tx {
  let started = false;
  // What it rejects with is thrown by the queries, and at the end.
  begun.then(
    () => {
      started = true;
    },
    () => undefined,
  );
  const after = async <R>(result: Promise<R>): Promise<R> =>
    started ? result : (await Promise.all([begun, result]))[1];
  return {
    query: <R>(statement: Statement, values?: unknown[]) => after(tx.query<R>(statement, values)),
    queryCount: (statement, values) => after(tx.queryCount(statement, values)),
    copy: (text, data) => after(tx.copy(text, data)),
    queue: tx.queue,
  };
}

function beginText(keepsPlans: boolean, lockWaitMsMax: number | undefined): string {
  const plans = keepsPlans ? `; ${KEEP_PLANS}` : '';
  return `BEGIN${plans}${lockWaitMsMax === undefined ? '' : `; SET LOCAL lock_timeout = ${Math.trunc(lockWaitMsMax)}`}`;
}

async function transaction<T>(
  pool: pg.Pool,
  work: (tx: Tx) => Promise<T>,
  { readsFirst = false, keepsPlans = false, lockWaitMsMax }: TxOptions,
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw databaseError(error);
  });
  let broken: Error | undefined;
  let cause: unknown;
  const queued: Promise<unknown>[] = [];
  // A connection lost between two queries emits an error that nobody else listens to.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on('error', onError);
  try {
    const tx = transactional(
      { client, keepsPlans },
      (error) => {
        if (!isAftermath(error)) cause = error;
      },
      queued,
    );
    const begun = tx.query({ text: beginText(keepsPlans, lockWaitMsMax) });
    // Awaited: a statement sent along would commit by itself if this one were cancelled.
    if (!readsFirst) await begun;
    const result = await work(readsFirst ? startedBy(begun, tx) : tx);
    await begun;
    // In this order: what a queued statement failed for says more than that COMMIT became a rollback.
    for (const end of await Promise.allSettled([...queued, commit(client)])) {
      if (end.status === 'rejected') throw end.reason;
    }
    return result;
  } catch (error) {
    broken ??= await rollback(client);
    if (isReadOnly(cause) || isReadOnly(error)) broken ??= error as Error;
    throw isAftermath(error) && cause !== undefined ? databaseError(cause) : error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

async function commit(client: pg.PoolClient): Promise<void> {
  let result: pg.QueryResult;
  try {
    result = await ask(client, { text: 'COMMIT' });
  } catch (error) {
    throw databaseError(error);
  }
  // COMMIT of a failed transaction succeeds as ROLLBACK: somebody swallowed a query's error.
  if (result.command !== 'COMMIT') {
    throw new CerebraError('internal', 'A failed statement was ignored: the transaction was rolled back');
  }
}

/** Why the connection is of no more use, if it is. */
async function rollback(client: pg.PoolClient): Promise<Error | undefined> {
  try {
    await ask(client, { text: 'ROLLBACK' });
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
