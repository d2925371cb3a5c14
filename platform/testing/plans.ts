// How PostgreSQL means to run statements: for tests of those that must not read a whole table, whatever it expects to find.
import type { Db, Statement } from '../db/types.ts';

interface PlanRow {
  'QUERY PLAN': string;
}

export interface Planned {
  /** Runs each statement after its plans have been told. */
  db: Db;
  /** Of each statement two texts: the plan for its values and the one for any. */
  plans: string[];
}

const textOf = (rows: PlanRow[]): string => rows.map((row) => row['QUERY PLAN']).join('\n');

/** PostgreSQL 16 and later; before, the values count as any. */
async function explain(db: Db, { text }: Statement, values: unknown[] | undefined): Promise<string[]> {
  const byValues = textOf(await db.query<PlanRow>({ text: `explain (costs off) ${text}` }, values));
  const [version] = await db.query<{ n: number }>({ text: "select current_setting('server_version_num')::int as n" });
  if (version!.n < 160_000) return [byValues, byValues];
  return [byValues, textOf(await db.query<PlanRow>({ text: `explain (generic_plan, costs off) ${text}` }))];
}

/** Statements outside transactions. */
export function planned(db: Db): Planned {
  const plans: string[] = [];
  const keep = async (statement: Statement, values: unknown[] | undefined): Promise<void> => {
    plans.push(...(await explain(db, statement, values)));
  };
  const recording: Db = {
    ...db,
    query: async (statement, values) => {
      await keep(statement, values);
      return db.query(statement, values);
    },
    queryCount: async (statement, values) => {
      await keep(statement, values);
      return db.queryCount(statement, values);
    },
  };
  return { db: recording, plans };
}
