// Sends a message and records it. What was sent and not recorded is sent again: under the same id, so that PagerDuty, a mail
// box and a program can tell.
import { type BackoffLimits, backoffMs, type Tx } from '#platform';
import { loggedFault } from '../channels/fault.ts';
import type { Mailer } from '../channels/mailer.ts';
import type { SendResult } from '../channels/rest-hook.ts';
import { communicationOf } from './communication.ts';
import type { Endpoint, MailReplies } from './endpoints.ts';
import type { Links } from './link.ts';
import { mailOf } from './mail.ts';
import { replyAddress } from './mail-reply.ts';
import {
  type ClaimedMessage,
  type Flood,
  floodMs,
  type HeldMessage,
  hastenNext,
  heldMessages,
  markDropped,
  markFailed,
  markHeld,
  markRetried,
  markSent,
  markSentWith,
  releaseNext,
  settleRecipient,
} from './messages.ts';
import type { EscalationMetrics } from './metrics.ts';
import type { Notice, NoticeItem, NoticeKind } from './notice.ts';
import { type Messages, type Outgoing, type Poster, post } from './post.ts';
import { messageAudit, type Recorder, record, recordOwn } from './record.ts';
import { lockEscalation } from './state.ts';
import { compose, judge, takesDigests } from './templates/templates.ts';

export interface SenderOptions extends Poster, Recorder {
  metrics: EscalationMetrics;
  endpoints: ReadonlyMap<string, Endpoint>;
  mail?: { mailer: Mailer; from: string } | undefined;
  /** Without it mails can't be replied to. */
  mailReplies?: MailReplies | undefined;
  links: Links;
  /** How long a link can be used. */
  linkMs: number;
  /** `https://fhir.example.org/`: links begin with it. */
  publicUrl: string;
  flood: Flood;
  retry: BackoffLimits;
  random: () => number;
}

/** After so many failures the next channel is tried as well. */
const patienceAttempts = 2;
const digestItemsMax = 40;
/** A receiver that asks for a longer pause is tried again nevertheless: an alert does not wait for hours. */
const askedMsMax = 120_000;

/** Never throws; what can't be recorded is left to its lease. */
export async function sendMessage(options: SenderOptions, message: ClaimedMessage): Promise<void> {
  const { db, log, metrics } = options;
  try {
    if (message.kind === 'alert' && message.state !== 'open' && message.state !== 'exhausted') {
      await drop(options, message);
      return;
    }
    const waitMs = isFlooding(options, message) ? await floodMs(db, message, options.flood) : 0;
    if (waitMs > 0) {
      metrics.messages.inc({ channel: message.channel, outcome: 'held' });
      // That something is over need not be told in a storm.
      await (message.kind === 'alert' ? markHeld(db, message, waitMs) : drop(options, message));
      return;
    }
    const others = message.held ? await heldMessages(db, message, digestItemsMax) : [];
    const result = await deliver(options, message, others);
    metrics.messages.inc({ channel: message.channel, outcome: result.ok ? 'sent' : 'failed' });
    if (result.ok) await recordSent(options, message, others);
    else await recordFault(options, message, result);
  } catch (err) {
    log.error(
      { err, id: message.id, channel: message.channel },
      'a message of an alert could not be recorded: it is repeated',
    );
  }
}

/** It is not needed any more. */
const drop = (options: SenderOptions, message: ClaimedMessage): Promise<boolean> =>
  recordOwn(options, messageAudit('message-skipped', message, message.nowMs), (tx) => markDropped(tx, message));

/** Only what a person reads, and one message of many alerts can replace. */
function isFlooding({ endpoints }: SenderOptions, { channel }: ClaimedMessage): boolean {
  const endpoint = endpoints.get(channel);
  return channel === 'email' || (endpoint !== undefined && takesDigests(endpoint.template));
}

async function deliver(
  options: SenderOptions,
  message: ClaimedMessage,
  others: readonly HeldMessage[],
): Promise<SendResult> {
  if (message.isLate) return { ok: false, error: 'It could not be sent in time', permanent: true };
  // The Communication that is written is what listeners are told of.
  if (message.channel === 'websocket') return { ok: true };
  const notice = noticeOf(options, message, others);
  if (message.channel === 'email') {
    const { mail } = options;
    if (!mail) return { ok: false, error: 'This server sends no email: SMTP_URL is not set', permanent: true };
    return mail.mailer.send(mailOf(notice, mail.from));
  }
  const endpoint = options.endpoints.get(message.channel);
  if (!endpoint) return { ok: false, error: 'ALERT_ENDPOINTS has no such endpoint any more', permanent: true };
  return sendAll(options, endpoint, compose(notice, endpoint, message.nowMs), message.kind);
}

/** An alert has been told with the first: that the incident before it could not be ended is made up for at the end. */
async function sendAll(options: Poster, endpoint: Endpoint, messages: Messages, kind: NoticeKind): Promise<SendResult> {
  const sendOne = async (one: Outgoing): Promise<SendResult> => {
    const answer = await post(one, options);
    return 'ok' in answer ? answer : judge(answer, endpoint);
  };
  const [first, ...further] = messages;
  const told = await sendOne(first);
  if (!told.ok) return told;
  // Side by side: four that each take all their time would outlast the lease, and what was told be told again.
  const results = await Promise.all(further.map(sendOne));
  return (kind === 'alert' ? undefined : results.find(({ ok }) => !ok)) ?? told;
}

function noticeOf(options: SenderOptions, message: ClaimedMessage, others: readonly HeldMessage[]): Notice {
  const { facts, kind, id, alert, run, step, address } = message;
  return {
    ...itemOf(options, message, message),
    ...{ kind, id, alert: `${alert}/${run}`, rule: facts.rule, step, address, raisedMs: facts.raisedMs },
    risen: facts.risen ?? 0,
    others: others.map((other) => itemOf(options, other, message)),
    more: 0,
    ...replyToOf(options, message, others),
    source: new URL(options.publicUrl).host,
    ...(options.publicUrl.startsWith('https:') ? { replies: `${options.publicUrl}alerts/replies/` } : {}),
  };
}

/** A reply to a digest would acknowledge the first of its alerts only. */
function replyToOf(
  { links, linkMs, mailReplies }: SenderOptions,
  { id, channel, kind, nowMs }: ClaimedMessage,
  others: readonly HeldMessage[],
): Pick<Notice, 'replyTo'> {
  if (!mailReplies || channel !== 'email' || kind !== 'alert' || others.length > 0) return {};
  return { replyTo: replyAddress(mailReplies, links.mailTokenOf(id, nowMs + linkMs)) };
}

function itemOf(
  { links, linkMs, publicUrl }: SenderOptions,
  { id, code, detail, facts }: HeldMessage,
  { kind, nowMs }: ClaimedMessage,
): NoticeItem {
  const { title, severity } = facts;
  const link = kind === 'alert' ? { link: `${publicUrl}alerts/${links.tokenOf(id, nowMs + linkMs)}` } : {};
  return { title, severity, code, ...link, ...(detail && facts.detail !== '' ? { detail: facts.detail } : {}) };
}

async function recordSent(
  options: SenderOptions,
  message: ClaimedMessage,
  others: readonly HeldMessage[],
): Promise<void> {
  const { kind, channel, number, step, nowMs } = message;
  const told = [message, ...others.map((other) => ({ ...other, kind, channel, number, step }))];
  const communications = told.map((one) => communicationOf(one, nowMs));
  const audits = told.map((one) => messageAudit('message-sent', one, nowMs));
  const within = async (tx: Tx): Promise<void> => {
    await lockEscalation(tx, message);
    if (!(await markSent(tx, message))) return;
    await markSentWith(
      tx,
      others.map(({ id }) => id),
      message.id,
    );
    if (message.place >= 0) await settleRecipient(tx, message);
  };
  await record(options, message.id, { communications, audits }, within);
}

async function recordFault(
  options: SenderOptions,
  message: ClaimedMessage,
  fault: SendResult & { ok: false },
): Promise<void> {
  const { db, log, retry, random } = options;
  const { id, alert, channel, attempts } = message;
  log.warn({ id, alert, channel, attempts, ...loggedFault(fault) }, 'a message of an alert was not taken');
  if (!fault.permanent) {
    const askedMs = Math.min(fault.retryAfterMs ?? 0, askedMsMax);
    const pauseMs = Math.max(backoffMs(attempts, retry, random), askedMs);
    await db.tx(async (tx) => {
      await lockEscalation(tx, message);
      const isOwn = await markRetried(tx, message, fault.error, pauseMs);
      if (isOwn && attempts >= patienceAttempts) await releaseNext(tx, message);
    });
    return;
  }
  const within = async (tx: Tx): Promise<void> => {
    await lockEscalation(tx, message);
    if (!(await markFailed(tx, message, fault.error))) return;
    await releaseNext(tx, message);
    await hastenNext(tx, message);
  };
  const communications = [communicationOf(message, message.nowMs, fault.error)];
  const audits = [messageAudit('message-failed', message, message.nowMs)];
  await record(options, message.id, { communications, audits }, within);
}
