// A short message that was taken and did not arrive: Twilio tells so afterwards, as when a telephone is switched off or a carrier
// filters it. https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
import { CerebraError, isCerebraError, type Statement, type Tx } from '#platform';
import { auditEventOf } from '../alerts/audit.ts';
import { communicationOf } from './communication.ts';
import { type ClaimedMessage, hastenNext, releaseNext } from './messages.ts';
import { messageAudit, type Recorder } from './record.ts';
import { lockEscalation } from './state.ts';

// Those of a digest were in the same short message.
const told: Statement = {
  name: 'escalation_message_told_by',
  text: `select m.id, m.alert, m.run, m.number, m.kind, m.channel, m.recipient, m.address, m.place, m.detail, m.code,
      m.attempts, m.lease_token as token, false as held, false as "isLate", e.state, e.facts,
      coalesce((select s.title from escalation_step s where s.alert = m.alert and s.run = m.run and s.number = m.number),
        '') as step,
      floor(extract(epoch from statement_timestamp()) * 1000)::float8 as "nowMs"
    from escalation_message o join escalation_message m on m.channel = o.channel and m.address = o.address
      and (m.id = o.id or (m.digest = o.id and m.sent_at is not null))
    join escalation e on e.alert = m.alert and e.run = m.run
    where o.id = $1 and o.channel = $2 and m.state in ('sending', 'sent') order by m.alert, m.id`,
};
// It may be told before the server has recorded that the message was taken: whoever does so then has lost it.
const undelivered: Statement = {
  name: 'escalation_message_undelivered',
  text: `update escalation_message set state = 'failed', due_at = null, error = $2, lease_token = lease_token + 1
    where id = $1 and state in ('sending', 'sent')`,
};
// What was left out since this had been sent.
const revive: Statement = {
  name: 'escalation_message_revive',
  text: `update escalation_message m set state = 'standby'
    where alert = $1 and run = $2 and number = $3 and place > $5 and state = 'cancelled'
      and (recipient = $4 or $4 = '' or recipient in (
        select o.recipient from escalation_message o where o.alert = $1 and o.run = $2 and o.number = $3 and o.channel = $6
          and o.address = $7 and o.state = 'repeated'))
      and kind = 'alert' and sent_at is null
      and exists (select from escalation e where e.alert = $1 and e.run = $2 and e.state in ('open', 'exhausted'))`,
};

/** The message has failed after all: the next channel is tried, or the next step begins. What is known already changes nothing. */
export async function takeLoss(recorder: Recorder, messageId: string, channel: string, error: string): Promise<number> {
  const messages = await recorder.db.query<ClaimedMessage>(told, [messageId, channel]);
  let taken = 0;
  for (const message of messages) if (await loseOne(recorder, message, error)) taken++;
  return taken;
}

async function loseOne(recorder: Recorder, message: ClaimedMessage, error: string): Promise<boolean> {
  const { db, writer, scope, log } = recorder;
  const within = async (tx: Tx): Promise<void> => {
    await lockEscalation(tx, message);
    if ((await tx.queryCount(undelivered, [message.id, error])) !== 1) {
      throw new CerebraError('version-conflict', 'Another server has taken it over');
    }
    if (message.kind !== 'alert') return;
    const { alert, run, number, recipient, place, channel, address } = message;
    await tx.query(revive, [alert, run, number, recipient, place, channel, address]);
    await releaseNext(tx, message);
    await hastenNext(tx, message);
  };
  const resources = [
    communicationOf(message, message.nowMs, error),
    auditEventOf(messageAudit('message-failed', message, message.nowMs)),
  ];
  const entries = resources.map((resource) => {
    return { method: 'PUT', url: `${resource.resourceType}/${resource.id}`, resource } as const;
  });
  log.warn({ id: message.id, alert: message.alert, channel: message.channel, error }, 'a message did not arrive');
  try {
    await writer.transaction(entries, { scope, within });
    return true;
  } catch (err) {
    if (isCerebraError(err, 'version-conflict')) return false;
    if (!isCerebraError(err) || err.status >= 500) throw err;
    log.error({ err, id: message.id }, 'that a message did not arrive is recorded without its resources');
    await db.tx(within);
    return true;
  }
}
