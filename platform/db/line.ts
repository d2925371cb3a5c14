// Statements one behind the other on one connection: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
import type pg from 'pg';
import { ask } from './ask.ts';
import type { Runner } from './cancel.ts';
import { isReadOnly, sqlState } from './errors.ts';

interface Shared {
  client: Promise<pg.PoolClient>;
  /** Statements that have not ended. */
  under: number;
  /** What failed was not the statement but the connection: the pool is to end it. */
  lost: boolean;
}

/**
 * PostgreSQL has refused the statement and goes on, with a session that is of use. What ends the connection has a state of these, or is
 * an error of pg's own, without one; the severity would tell it in the language of the server.
 */
function isRefusal(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && !/^(08|57P|25P0[34])/.test(state) && !isReadOnly(error);
}

/** As pool.query(), but what is asked while another statement is under way goes to PostgreSQL at once, behind that one. */
export function inLine(pool: pg.Pool, prepare: (client: pg.PoolClient) => void): Runner {
  let shared: Shared | undefined;
  const take = (): Shared => {
    // As everybody else where the pool is closed, or others wait for a connection: under load this one would never be given back.
    if (pool.ending || (pool.waitingCount > 0 && pool.idleCount === 0)) shared = undefined;
    shared ??= { client: pool.connect(), under: 0, lost: false };
    shared.under++;
    return shared;
  };
  const give = (taken: Shared, client: pg.PoolClient | undefined): void => {
    if (--taken.under > 0) return;
    if (shared === taken) shared = undefined;
    client?.release(taken.lost);
  };
  return {
    async query(query) {
      const taken = take();
      let client: pg.PoolClient | undefined;
      try {
        client = await taken.client;
        if (taken.under > 1) prepare(client);
        return await ask(client, query);
      } catch (error) {
        taken.lost ||= !isRefusal(error);
        // Whoever comes next has a connection of its own again.
        if (shared === taken) shared = undefined;
        throw error;
      } finally {
        give(taken, client);
      }
    },
  };
}
