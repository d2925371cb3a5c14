// Statements one behind the other on one connection: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
import type pg from 'pg';
import { ask } from './ask.ts';
import type { Runner } from './cancel.ts';

interface Shared {
  client: Promise<pg.PoolClient>;
  /** Statements that have not ended. */
  under: number;
}

/** As pool.query(), but what is asked while another statement is under way goes to PostgreSQL at once, behind that one. */
export function inLine(pool: pg.Pool, prepare: (client: pg.PoolClient) => void): Runner {
  let shared: Shared | undefined;
  const take = (): Shared => {
    shared ??= { client: pool.connect(), under: 0 };
    shared.under++;
    return shared;
  };
  const give = (taken: Shared, client: pg.PoolClient | undefined): void => {
    if (--taken.under > 0) return;
    if (shared === taken) shared = undefined;
    // The pool lets go of one that was lost meanwhile.
    client?.release();
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
        // Whoever comes next has a connection of its own again, should this one be lost.
        if (shared === taken) shared = undefined;
        throw error;
      } finally {
        give(taken, client);
      }
    },
  };
}
