// One query on one connection: https://node-postgres.com/apis/client#clientquery
import type pg from 'pg';

export interface Query {
  name?: string;
  text: string;
  values?: unknown[];
}

/**
 * As client.query(), by its callback. Of the promise that it makes itself V8 keeps the result until the next full collection:
 * of pages of 30 kB 14 of 16 MB were carried over at each collection of new objects, which took a third of the server's time.
 */
export const ask = (client: pg.ClientBase, query: Query): Promise<pg.QueryResult> =>
  new Promise((resolve, reject) => {
    client.query(query as pg.QueryConfig, (error: Error | undefined, result: pg.QueryResult) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
