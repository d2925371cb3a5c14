// Metrics of escalation.
import type { Counter, Db, Metrics } from '#platform';

export interface EscalationMetrics {
  /** By channel and outcome: sent, failed, held, undelivered. */
  messages: Counter;
  /** Those that nobody has acknowledged at the end of their chain. */
  exhausted: Counter;
  /** Acknowledgments by link, reply and button. */
  answers: Counter;
}

const open = {
  name: 'escalation_open',
  text: `select coalesce(count(*) filter (where error is null and state = 'open'), 0)::int as running,
      coalesce(count(*) filter (where error is not null and state = 'open'), 0)::int as broken,
      coalesce(count(*) filter (where state = 'exhausted'), 0)::int as exhausted
    from escalation where state in ('open', 'exhausted')`,
};

export function escalationMetrics(metrics: Metrics, db: Db): EscalationMetrics {
  metrics.observe('cerebra_escalations', 'Escalations that nobody has ended yet, by state', ['state'], async () => {
    const [row] = await db.query<Record<string, number>>(open);
    return Object.entries(row ?? {}).map(([state, count]) => [{ state }, count]);
  });
  return {
    messages: metrics.counter('cerebra_escalation_messages_total', 'Attempts to tell somebody of an alert', [
      'channel',
      'outcome',
    ]),
    exhausted: metrics.counter('cerebra_escalations_exhausted_total', 'Escalations that ended without anybody acting'),
    answers: metrics.counter('cerebra_escalation_answers_total', 'Acknowledgments by link, reply and button', ['way']),
  };
}
