// Acknowledgments by those who were told: through the link in a message, or by a reply to it.
import {
  type AdminRequest,
  type AdminResponse,
  type AdminRoute,
  CerebraError,
  type Db,
  type Statement,
} from '#platform';
import { rankOf } from '../alerts/rules/rule.ts';
import type { Alerts, Severity, Way } from '../alerts/seams.ts';
import { oneLine } from '../one-line.ts';
import type { Endpoint } from './endpoints.ts';
import type { Links } from './link.ts';
import type { EscalationMetrics } from './metrics.ts';
import { acknowledgedPage, alertPage, expiredPage, overPage, type PageAlert, unknownPage } from './page.ts';
import type { Recorder } from './record.ts';
import { isSignedByTwilio, lossOf, readReply, statusUrlOf, twiml } from './reply.ts';
import type { Facts } from './state.ts';
import { takeLoss } from './undelivered.ts';

export interface AnswersOptions extends Recorder {
  alerts: () => Pick<Alerts, 'acknowledge' | 'read'>;
  endpoints: ReadonlyMap<string, Endpoint>;
  metrics: EscalationMetrics;
  /** `https://fhir.example.org/` */
  publicUrl: string;
}

export interface AskedMessage {
  id: string;
  alert: string;
  /** Of the step that sent it. */
  number: number;
  channel: string;
  recipient: string;
  address: string;
  /** Digits of a reply by short message. */
  code: string;
  detail: boolean;
  state: string;
  facts: Facts;
  /** How many its run has begun. */
  steps: number;
  /** It was told anew after this run had ended, and that goes on. */
  renewed: boolean;
  nowMs: number;
}

const columns = `m.id, m.alert, m.number, m.channel, m.recipient, m.address, m.code, m.detail, e.state, e.facts, e.steps,
  exists (select from escalation n where n.alert = m.alert and n.run > m.run and n.state in ('open', 'exhausted')) as renewed,
  floor(extract(epoch from statement_timestamp()) * 1000)::float8 as "nowMs"`;

const byId: Statement = {
  name: 'escalation_message_asked',
  text: `select ${columns} from escalation_message m join escalation e on e.alert = m.alert and e.run = m.run
    where m.id = $1 and m.kind = 'alert'`,
};

const byAddress: Statement = {
  name: 'escalation_message_replied',
  text: `select distinct on (m.alert) ${columns}
    from escalation_message m join escalation e on e.alert = m.alert and e.run = m.run
    where m.channel = $1 and m.address = $2 and m.kind = 'alert' and m.sent_at is not null
      and e.state in ('open', 'exhausted') and ($3 = '' or m.code = $3)
    order by m.alert, m.sent_at desc limit 20`,
};

const answered: Statement = {
  name: 'escalation_message_answered',
  text: 'update escalation_message set answered_at = statement_timestamp() where id = $1',
};

const formBytesMax = 64 * 1_024;
const nameCharactersMax = 100;

export const formOf = (body: Buffer): URLSearchParams => {
  if (body.length > formBytesMax) throw new CerebraError('too-large', 'The form is too large');
  return new URLSearchParams(body.toString());
};

export function createAnswers(options: AnswersOptions, links: () => Promise<Links>): AdminRoute[] {
  return [
    {
      ...{ method: 'GET', path: '/alerts/:token', isOpen: true },
      summary: 'The page behind the link of a message: what the alert is, with a button to acknowledge it',
      handle: async (request) => look(options, await links(), request),
    },
    {
      ...{ method: 'POST', path: '/alerts/:token', isOpen: true },
      summary: 'Acknowledges the alert of the link. Form: name, where the message went to nobody in particular',
      handle: async (request) => acknowledge(options, await links(), request),
    },
    {
      ...{ method: 'POST', path: '/alerts/replies/:endpoint', isOpen: true },
      summary:
        'Takes replies to short messages from Twilio, and what became of those that were sent (message), signed by it',
      handle: (request) => takeReply(options, request),
    },
  ];
}

/** As it is now: what it got in quiet hours, when they end, is told from the next step on. */
async function pageOf({ alerts }: AnswersOptions, message: AskedMessage): Promise<PageAlert> {
  const { facts, recipient, detail } = message;
  const { title, severity, raisedMs, detail: text } = (facts.awaited && (await alerts().read(message.alert))) || facts;
  return {
    ...{ title, severity, raisedMs, asksName: recipient === '', fromStep: fromStepOf(message) },
    ...(detail && text !== '' ? { detail: text } : {}),
  };
}

/** From that step on messages tell, or will tell, of what it is now. */
const fromStepOf = ({ facts, steps }: AskedMessage): number =>
  facts.awaited === undefined ? (facts.fromStep ?? 0) : steps + 1;

export const isOpen = ({ state }: AskedMessage): boolean => state === 'open' || state === 'exhausted';

/** What was acted on told of it while it was less severe. `step`: the one that is known to have been seen. */
export const isSuperseded = (message: AskedMessage, step: number): boolean => step < fromStepOf(message);

/** Since the page was shown, perhaps before the step that is to tell of it: it may get worse twice until that begins. */
const hasRisen = ({ severity }: PageAlert, shown: string | null): boolean =>
  shown !== null && rankOf(severity) > rankOf(shown as Severity);

/** Why there is nothing to acknowledge: the escalation of the message is over, but the alert may stand. */
async function endOf({ alerts }: AnswersOptions, { alert, state, renewed }: AskedMessage): Promise<string> {
  if ((await alerts().read(alert))?.status !== 'active') return state;
  if (renewed) return 'renewed';
  return state === 'closed' ? 'snoozed' : state;
}

export const messageById = async (db: Db, id: string): Promise<AskedMessage | undefined> =>
  (await db.query<AskedMessage>(byId, [id]))[0];

/** The message of the link, or the page that says why there is none. */
async function messageOf({ db }: AnswersOptions, links: Links, token: string): Promise<AskedMessage | AdminResponse> {
  const read = links.read(token);
  const message = read && (await messageById(db, read.messageId));
  if (!read || !message) return unknownPage();
  return message.nowMs > read.untilMs ? expiredPage() : message;
}

async function look(options: AnswersOptions, links: Links, { params }: AdminRequest): Promise<AdminResponse> {
  const message = await messageOf(options, links, params.token ?? '');
  if ('status' in message) return message;
  const page = await pageOf(options, message);
  return isOpen(message) ? alertPage(page) : overPage(page, await endOf(options, message));
}

async function acknowledge(options: AnswersOptions, links: Links, request: AdminRequest): Promise<AdminResponse> {
  const message = await messageOf(options, links, request.params.token ?? '');
  if ('status' in message) return message;
  const page = await pageOf(options, message);
  if (!isOpen(message)) return overPage(page, await endOf(options, message));
  const form = formOf(request.body);
  const isSeen = !isSuperseded(message, Math.max(message.number, Number(form.get('step')) || 0));
  if (!isSeen || hasRisen(page, form.get('severity'))) return alertPage(page, true);
  const name = nameOf(form.get('name'));
  if (page.asksName && name === '') return alertPage(page);
  const note = name === '' ? 'by the link of a message' : `by the link of a message, as ${name}`;
  const done = await answer(options, message, { way: 'link', name }, note);
  return done ? acknowledgedPage(page) : overPage(page, 'acknowledged');
}

export const nameOf = (text: string | null): string => oneLine(text ?? '').slice(0, nameCharactersMax);

export async function answer(
  { db, alerts, metrics }: AnswersOptions,
  message: AskedMessage,
  how: Pick<Way, 'name'> & { way: 'link' | 'reply' | 'button' },
  note: string,
): Promise<boolean> {
  const by = message.recipient === '' ? message.channel : message.recipient;
  const done = await alerts().acknowledge(message.alert, by, note, { ...how, through: `Communication/${message.id}` });
  if (!done) return false;
  metrics.answers.inc({ way: how.way });
  await db.query(answered, [message.id]);
  return true;
}

/** Whoever acts on a message of an alert that is not open any more. */
export const endedText = ({ facts, renewed }: AskedMessage): string =>
  renewed
    ? `It has been told anew since: ${facts.title}. Use the newest message.`
    : `Not open any more: ${facts.title}.`;

/** Whoever acts on a message that was sent before it got worse; of what it got in quiet hours there is no newer one yet. */
export const worseText = ({ facts: { title, awaited } }: Pick<AskedMessage, 'facts'>): string =>
  awaited === undefined
    ? `It got worse since that message: ${title}. Use the newest one, or the link.`
    : `It got worse in quiet hours: ${title}. Use the link, which shows what it is now.`;

async function takeReply(options: AnswersOptions, request: AdminRequest): Promise<AdminResponse> {
  const endpoint = options.endpoints.get(request.params.endpoint ?? '');
  if (endpoint?.template !== 'twilio') throw new CerebraError('not-found', 'There is no such endpoint for replies');
  const form = formOf(request.body);
  const replyUrl = endpoint.replyUrl ?? `${options.publicUrl}alerts/replies/${endpoint.name}`;
  const sent = request.query.get('message');
  const url = sent === null ? replyUrl : statusUrlOf(replyUrl, sent);
  const signature = request.headers?.['x-twilio-signature'] ?? '';
  if (!isSignedByTwilio(url, form, endpoint.authToken, signature)) {
    throw new CerebraError(
      'forbidden',
      `The signature is not that of Twilio for ${url}: see replyUrl in ALERT_ENDPOINTS`,
    );
  }
  if (sent !== null) return takeStatus(options, endpoint.name, sent, form);
  const from = form.get('From') ?? '';
  const text = await replyTo(options, endpoint.name, from === endpoint.to ? '' : from, form.get('Body') ?? '');
  return { status: 200, text: { type: 'text/xml; charset=utf-8', text: twiml(text) } };
}

async function takeStatus(
  options: AnswersOptions,
  channel: string,
  messageId: string,
  form: URLSearchParams,
): Promise<AdminResponse> {
  const loss = lossOf(form);
  const count = loss === undefined ? 0 : await takeLoss(options, messageId, channel, loss);
  if (count > 0) options.metrics.messages.inc({ channel, outcome: 'undelivered' }, count);
  return { status: 200, text: { type: 'text/plain; charset=utf-8', text: '' } };
}

const howTo = 'Reply ACK and the four digits of the message to acknowledge its alert.';

async function replyTo(options: AnswersOptions, channel: string, address: string, body: string): Promise<string> {
  const code = readReply(body);
  if (code === undefined) return howTo;
  const messages = await options.db.query<AskedMessage>(byAddress, [channel, address, code]);
  const [message] = messages;
  if (!message)
    return code === '' ? 'No alert is open that was sent to this number.' : `No open alert has the digits ${code}.`;
  if (messages.length > 1) {
    return code === ''
      ? `${messages.length} alerts are open. ${howTo}`
      : 'Several alerts have these digits: use the link of the message.';
  }
  const { title } = message.facts;
  if (isSuperseded(message, message.number)) return worseText(message);
  const done = await answer(options, message, { way: 'reply' }, 'by reply to a message');
  return done ? `Acknowledged: ${title}. Nobody else is called.` : `Not open any more: ${title}.`;
}
