// A Communication that answers a message: of which alert that message was, where answering it still acknowledges something.
import { objectsOf, type Resource } from '#fhir-model';
import type { Queryable, Statement } from '#platform';

/** Of Communication.identifier: `alert|run|step`. */
export const messageSystem = 'urn:cerebra:escalation';

// What was sent before the alert got worse, or was told anew, is answered by somebody who has not seen that; so is what it got in quiet
// hours, of which nobody was told yet.
const standing: Statement = {
  name: 'escalation_answered',
  text: `select alert from escalation where alert = $1 and run = $2 and state in ('open', 'exhausted')
    and $3 >= case when facts ? 'awaited' then steps + 1 else coalesce((facts ->> 'fromStep')::int, 0) end`,
};

/** Id of the alert that the message told of; undefined where that is not what the alert is now, or it is no message. */
export async function alertOfMessage(db: Queryable, { identifier }: Resource): Promise<string | undefined> {
  const named = objectsOf(identifier).find(({ system }) => system === messageSystem)?.value;
  const [, alert, run, step] = /^([^|]+)\|(\d{1,9})\|(\d{1,9})$/.exec(typeof named === 'string' ? named : '') ?? [];
  if (alert === undefined) return undefined;
  const [found] = await db.query<{ alert: string }>(standing, [alert, Number(run), Number(step)]);
  return found?.alert;
}
