// Replies to mails: whoever takes mail for the address posts each one here, as Postmark does
// (https://postmarkapp.com/developer/webhooks/inbound-webhook) or a few lines beside a mail server of one's own. To which message of
// which alert it replies is told by the address, which is signed as links are.
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Json, type JsonObject, objectsOf } from '#fhir-model';
import { type AdminRequest, type AdminResponse, type AdminRoute, CerebraError } from '#platform';
import { textOf } from '../alerts/rules/extensions.ts';
import { isMailAddress } from '../channels/mail-address.ts';
import type { Mailer } from '../channels/mailer.ts';
import {
  type AnswersOptions,
  type AskedMessage,
  answer,
  endedText,
  isOpen,
  isSuperseded,
  messageById,
  nameOf,
  worseText,
} from './answers.ts';
import type { MailReplies } from './endpoints.ts';
import type { Links } from './link.ts';
import { readReply } from './reply.ts';

export interface MailReplyOptions extends AnswersOptions {
  mailReplies?: MailReplies | undefined;
  mail?: { mailer: Mailer } | undefined;
}

/** `alerts+{token}@example.org` of `alerts@example.org`: https://www.rfc-editor.org/rfc/rfc5233#section-1 */
export const replyAddress = ({ address }: MailReplies, token: string): string => address.replace('@', `+${token}@`);

/** What is looked at of a mail. */
interface Reply {
  token: string;
  from: string;
  /** The first line that has something. */
  line: string;
  subject: string;
  automatic: boolean;
}

export const mailReplyRoute = (options: MailReplyOptions, links: () => Promise<Links>): AdminRoute => ({
  ...{ method: 'POST', path: '/alerts/mail-replies/:endpoint', isOpen: true },
  summary: 'Takes replies to mails, as JSON, from whoever has the secret of the endpoint',
  async handle(request) {
    const { mailReplies } = options;
    if (mailReplies === undefined || mailReplies.name !== request.params.endpoint) {
      throw new CerebraError('not-found', 'There is no such endpoint for replies to mails');
    }
    return takeMail({ ...options, mailReplies }, await links(), request);
  },
});

/** Throws CerebraError for what is not from whoever has the secret, or is no mail. */
async function takeMail(
  options: MailReplyOptions & { mailReplies: MailReplies },
  links: Links,
  { headers, body }: AdminRequest,
): Promise<AdminResponse> {
  if (!isAuthorized(headers?.authorization ?? '', options.mailReplies.secret)) {
    throw new CerebraError(
      'forbidden',
      'Authorization must be Basic or Bearer, with the secret of this endpoint of ALERT_ENDPOINTS as its password or token',
    );
  }
  const reply = readMail(mailOf(body), options.mailReplies);
  // An out-of-office notice was read by nobody.
  if (reply.automatic) return outcome('automatic');
  const read = links.readMail(reply.token);
  const message = read && (await messageById(options.db, read.messageId));
  if (!read || message?.channel !== 'email') return outcome('unknown');
  const said = message.nowMs > read.untilMs ? expired : await acknowledgeBy(options, message, reply);
  void tell(options, reply, said.text);
  return outcome(said.outcome);
}

const outcome = (name: string): AdminResponse => ({ status: 200, body: { outcome: name } });

/** Their digests have one length, whatever was given. */
function isAuthorized(header: string, secret: string): boolean {
  const [, scheme = '', value = ''] = /^(basic|bearer) +(.+)$/i.exec(header) ?? [];
  const basic = () =>
    Buffer.from(value, 'base64')
      .toString()
      .replace(/^[^:]*:/, '');
  const given = scheme.toLowerCase() === 'basic' ? basic() : value;
  const [one, other] = [given, secret].map((text) => createHash('sha256').update(text).digest());
  return scheme !== '' && timingSafeEqual(one!, other!);
}

function mailOf(body: Buffer): JsonObject {
  try {
    const mail = JSON.parse(body.toString()) as Json;
    if (typeof mail === 'object' && mail !== null && !Array.isArray(mail)) return mail;
  } catch {
    // Told below.
  }
  throw new CerebraError(
    'invalid',
    'The body must be a mail as JSON: to, from, text and headers, or as Postmark posts it',
  );
}

function readMail(mail: JsonObject, { address }: MailReplies): Reply {
  const texts = (...names: string[]): string[] =>
    names.map((name) => textOf(mail[name])).filter((text) => text.trim() !== '');
  const headers = new Map(
    objectsOf(mail.Headers ?? mail.headers).map((one) => [
      textOf(one.Name ?? one.name).toLowerCase(),
      textOf(one.Value ?? one.value)
        .trim()
        .toLowerCase(),
    ]),
  );
  const [local = '', domain = ''] = address.toLowerCase().split('@');
  const to = texts('OriginalRecipient', 'To', 'Cc', 'to').join(' ').toLowerCase();
  const tokens = to.split(/[\s<>,;"]+/).flatMap((one) => {
    const isOurs = one.startsWith(`${local}+`) && one.endsWith(`@${domain}`);
    return isOurs ? [one.slice(local.length + 1, -domain.length - 1)] : [];
  });
  const [text = ''] = texts('StrippedTextReply', 'TextBody', 'text');
  const [from = ''] = texts('From', 'from');
  return {
    token: tokens[0] ?? '',
    from: /<([^<>]+)>\s*$/.exec(from)?.[1] ?? from.trim(),
    line: text.split(/\r?\n/).find((line) => line.trim() !== '') ?? '',
    subject: texts('Subject', 'subject')[0] ?? '',
    automatic: isAutomatic(headers),
  };
}

/** https://www.rfc-editor.org/rfc/rfc3834#section-5, and what was in use before it. */
function isAutomatic(headers: ReadonlyMap<string, string>): boolean {
  const submitted = headers.get('auto-submitted');
  return (
    (submitted !== undefined && submitted !== 'no') ||
    ['x-autoreply', 'x-autorespond'].some((name) => headers.has(name)) ||
    ['bulk', 'junk', 'list', 'auto_reply'].includes(headers.get('precedence') ?? '')
  );
}

interface Said {
  outcome: 'acknowledged' | 'not-understood' | 'superseded' | 'over' | 'expired';
  text: string;
}

const expired: Said = {
  outcome: 'expired',
  text: 'That mail can not be replied to any more: acknowledge the alert in the application.',
};

async function acknowledgeBy(options: MailReplyOptions, message: AskedMessage, { line, from }: Reply): Promise<Said> {
  const code = readReply(line);
  const { title } = message.facts;
  // Digits are of a short message, perhaps about another alert.
  if (code === undefined || (code !== '' && code !== message.code)) {
    return {
      outcome: 'not-understood',
      text: `Nothing was acknowledged. To acknowledge "${title}", reply with ACK alone in the first line.`,
    };
  }
  if (!isOpen(message)) return { outcome: 'over', text: endedText(message) };
  if (isSuperseded(message, message.number)) return { outcome: 'superseded', text: worseText(message) };
  const isOwn = from.toLowerCase() === message.address.toLowerCase();
  const name = isOwn ? '' : nameOf(from);
  const note = name === '' ? 'by reply to a mail' : `by reply to a mail, from ${name}`;
  const done = await answer(options, message, { way: 'reply', name }, note);
  return done
    ? { outcome: 'acknowledged', text: `Acknowledged: ${title}. Nobody else is called.` }
    : { outcome: 'over', text: endedText(message) };
}

/** Who replied is told what came of it: silence would be taken for an acknowledgment. The one who posted it need not wait. */
async function tell({ mail, log }: MailReplyOptions, { from, subject }: Reply, text: string): Promise<void> {
  if (!mail || !isMailAddress(from)) return;
  const result = await mail.mailer.send({
    to: { name: '', address: from },
    subject: `Re: ${nameOf(subject.replace(/^(re:\s*)+/i, ''))}`,
    text: `${text}\n`,
    headers: [{ key: 'Auto-Submitted', value: 'auto-replied' }],
  });
  if (!result.ok) log.warn({ error: result.error }, 'who replied to a mail about an alert could not be answered');
}
