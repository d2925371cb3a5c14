// The database's clock was put back: what was to come soon by the former time would come as much later as the clock was moved. An
// alert that is told too early does less harm than one that nobody hears of for an hour.
import type { Db, Statement } from '#platform';

const everyMs = 10_000;

// The step that is under way has begun in what is now the future.
const steps: Statement = {
  name: 'escalation_bring_back',
  text: `update escalation e set due_at = statement_timestamp()
    where e.due_at > statement_timestamp() + interval '2 minutes'
      and coalesce((select s.began_at from escalation_step s where s.alert = e.alert and s.run = e.run and s.number = e.steps),
        e.began_at) > statement_timestamp() + interval '2 minutes'`,
};
// No pause, lease or storm makes a message wait for as long as this.
const messages: Statement = {
  name: 'escalation_message_bring_back',
  text: `update escalation_message set due_at = statement_timestamp()
    where due_at > statement_timestamp() + interval '15 minutes'`,
};

/** A function that sees to it every ten seconds, however often it is called. */
export function watchClockSteps(db: Db): () => Promise<void> {
  let lookedMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - lookedMs < everyMs) return;
    lookedMs = performance.now();
    await db.query(steps);
    await db.query(messages);
  };
}
