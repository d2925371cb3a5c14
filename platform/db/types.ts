// The database as the rooms see it.

/** SQL text whose values are $1, $2 …; a prepared statement when it has a name. One name belongs to one text. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  /** Which plan is good depends on the values: also where a transaction keeps plans, PostgreSQL may make one for these. */
  readonly planned?: 'by-values';
}

/**
 * int8 and xid8 come back as bigint, timestamptz as milliseconds since 1970 UTC (fraction cut), numeric, date and
 * timestamp as text, arrays as arrays of these.
 * Throws CerebraError `unavailable` (no connection) and `timeout` (statement or lock timeout); other failures are pg's
 * DatabaseError with its SQLSTATE in `code`.
 */
export interface Queryable {
  query<R>(statement: Statement, values?: unknown[]): Promise<R[]>;
  /** The number of rows the statement inserted, updated, deleted or yielded. */
  queryCount(statement: Statement, values?: unknown[]): Promise<number>;
}

/**
 * Inside BEGIN … COMMIT. Queries issued without awaiting the one before travel to PostgreSQL together (pipelined) and
 * run in order: `await Promise.all([tx.query(a), tx.query(b)])` is one round trip.
 */
export interface Tx extends Queryable {
  /**
   * `COPY table (columns) FROM STDIN`, `data` being rows in COPY's text format
   * (https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2); yields the number of rows. Pipelined as
   * queries are.
   */
  copy(text: string, data: readonly Uint8Array[]): Promise<number>;
  /**
   * A statement whose answer nobody needs: COMMIT travels with the last of them, one round trip less. What PostgreSQL refuses
   * rolls the transaction back, which then throws the error, or what `errorOf` makes of it.
   */
  queue(statement: Statement, values?: unknown[], errorOf?: (error: unknown) => unknown): void;
}

export interface TxOptions {
  /**
   * What the work asks first changes nothing, and it waits for an answer before it changes anything: BEGIN travels with the
   * first queries, one round trip less. Were BEGIN cancelled, those would have run by themselves, and throw its error.
   */
  readsFirst?: boolean;
  /**
   * Prepared statements run by the plan for any values, which is made once. Left to itself PostgreSQL compares its cost with that
   * of its first plans, made when the tables were smaller, and goes on to plan each time what a hospital's messages ask:
   * https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES
   */
  keepsPlans?: boolean;
  /** A statement that waits for a lock longer than this many milliseconds ends the transaction, with code `timeout`; default: by lock_timeout. */
  lockWaitMsMax?: number | undefined;
}

export interface PoolStats {
  total: number;
  idle: number;
  waiting: number;
}

export interface Db extends Queryable {
  /** BEGIN, work, COMMIT; ROLLBACK when `work` throws. Retries nothing. */
  tx<T>(work: (tx: Tx) => Promise<T>, options?: TxOptions): Promise<T>;
  /**
   * Queries that end when the signal aborts: PostgreSQL is told to cancel the statement, the promise rejects with the
   * signal's reason at once, and the connection is not used again.
   */
  until(signal: AbortSignal): Queryable;
  /**
   * Statements that are under way at the same time share one connection and run one after the other, in the order in which they were asked:
   * PostgreSQL has the next one at hand as soon as one ends. A lock that one waits for holds up those behind it.
   */
  readonly inLine: Queryable;
  stats(): PoolStats;
  /** Waits for running queries; later ones throw `unavailable`. Closing twice is harmless. */
  close(): Promise<void>;
}

export interface Connection {
  host: string;
  port: number;
  user: string;
  password?: string;
  database: string;
}
