// What rules remember of those of whom nothing has come for long: patients who went home. No window is longer than 30 days, and who
// comes back is read from the store anew, as with the first change about anybody.
import type { Queryable, Statement } from '#platform';

// A walk from one (rule, subject) to the next in the index: 100,000 of them have up to 100 million facts, which nobody needs to read.
const quiet: Statement = {
  name: 'alert_fact_quiet',
  text: `with recursive g as (
      (select rule, subject, 1 as place from alert_fact where (rule, subject) > ($1, $2) order by rule, subject limit 1)
      union all
      select n.rule, n.subject, g.place + 1 from g cross join lateral (
        select rule, subject from alert_fact f where (f.rule, f.subject) > (g.rule, g.subject)
        order by f.rule, f.subject limit 1) n
      where g.place < $3)
    select g.rule, g.subject, (select f.at < statement_timestamp() - $4 * interval '1 millisecond' from alert_fact f
        where f.rule = g.rule and f.subject = g.subject order by f.at desc limit 1) as quiet
    from g order by g.place`,
};

// The time is asked again: something may have come since. That the store was read for the subject is a row of 1970.
const forgetFacts: Statement = {
  name: 'alert_fact_forget_quiet',
  text: `delete from alert_fact where ctid = any (array(
      select f.ctid from unnest($1::text[], $2::text[]) q (rule, subject)
      join alert_fact f on f.rule = q.rule and f.subject = q.subject
      where f.at < statement_timestamp() - $3 * interval '1 millisecond' limit $4 for update of f skip locked))`,
};

// Those whose reading was missed, and told; who is still waited for stays.
const forgetWatches: Statement = {
  name: 'alert_watch_forget_quiet',
  text: `delete from alert_watch where ctid = any (array(
      select ctid from alert_watch where due_at is null and seen_at < statement_timestamp() - $1 * interval '1 millisecond'
      limit $2 for update skip locked))`,
};

interface Group {
  rule: string;
  subject: string;
  quiet: boolean;
}

const groupsAtOnce = 500;

/** Forgets it where the newest is older than `keepMs`, in batches. Returns the number of rows. */
export async function forgetOldMemory(db: Queryable, keepMs: number, batchRows = 10_000): Promise<number> {
  let total = 0;
  const all = async (statement: Statement, values: readonly unknown[]) => {
    for (let rows = batchRows; rows === batchRows; total += rows) {
      rows = await db.queryCount(statement, [...values, batchRows]);
    }
  };
  let last: Group | undefined;
  do {
    const groups = await db.query<Group>(quiet, [last?.rule ?? '', last?.subject ?? '', groupsAtOnce, keepMs]);
    const old = groups.filter((one) => one.quiet);
    const names = [old.map(({ rule }) => rule), old.map(({ subject }) => subject)];
    if (old.length > 0) await all(forgetFacts, [...names, keepMs]);
    last = groups.length === groupsAtOnce ? groups.at(-1) : undefined;
  } while (last);
  await all(forgetWatches, [keepMs]);
  return total;
}
