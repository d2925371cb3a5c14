// What searches need after many rows came at once: https://www.postgresql.org/docs/current/populate.html
import type { Db } from '#platform';
import { indexTables } from '../store/index-sql.ts';
import { currentTable } from '../store/layout.ts';

/**
 * Statistics, without which PostgreSQL plans as for empty tables (a chain took minutes), and the visibility map.
 * Autovacuum would come to it some minutes later.
 */
export async function refreshStatistics(db: Db, types: Iterable<string>): Promise<void> {
  const tables = [...[...types].sort().map(currentTable), ...indexTables.map(({ table }) => table), 'change'];
  // Not in one statement: a table locked by somebody's vacuum would hold up all.
  for (const table of tables) await db.query({ text: `vacuum (analyze, skip_locked) ${table}` });
}
