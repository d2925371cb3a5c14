// A message as a mail: https://hl7.org/fhir/R4/subscription.html#email says why it tells so little.
import type { SendMailOptions } from 'nodemailer';
import { mailDomain } from '../channels/mailer.ts';
import { digestHead, headline, itemsOf, type Notice, type NoticeItem, shorten } from './notice.ts';

const subjectCharactersMax = 200;

/** `from`: of the mail server's configuration. */
export function mailOf(notice: Notice, from: string): SendMailOptions {
  const isDigest = notice.others.length > 0;
  const head = isDigest ? digestHead(notice) : headline(notice);
  const items = isDigest ? itemsOf(notice).map((item) => paragraph(item, notice)) : [single(notice)];
  const footer = [notice.step, `Raised ${new Date(notice.raisedMs).toISOString()}`, notice.source];
  if (notice.more > 0) footer.unshift(`${notice.more} more are not listed.`);
  return {
    to: { name: '', address: notice.address },
    ...(notice.replyTo === undefined ? {} : { replyTo: notice.replyTo }),
    subject: shorten(head, subjectCharactersMax),
    text: `${[head, ...items, footer.filter((part) => part !== '').join('\n')].filter((part) => part !== '').join('\n\n')}\n`,
    // The same for each attempt: who got it twice can tell. Mails of one alert are one thread.
    messageId: `<${notice.id}@${mailDomain(from)}>`,
    references: `<${notice.alert.replace('/', '.')}@${mailDomain(from)}>`,
    headers: [
      // https://www.rfc-editor.org/rfc/rfc3834#section-5: no out-of-office answers.
      { key: 'Auto-Submitted', value: 'auto-generated' },
      ...(notice.kind === 'alert' && notice.severity === 'critical' ? [{ key: 'Importance', value: 'high' }] : []),
    ],
  };
}

const toAcknowledge = ({ link }: NoticeItem): string => (link === undefined ? '' : `To acknowledge it: ${link}`);

const toReply = ({ replyTo }: Notice): string =>
  replyTo === undefined ? '' : 'Or reply to this mail with ACK alone in the first line.';

const single = (notice: Notice): string =>
  [notice.detail ?? '', toAcknowledge(notice), toReply(notice)].filter((part) => part !== '').join('\n\n');

const paragraph = (item: NoticeItem, { kind }: Notice): string =>
  `${headline({ ...item, kind })}\n${toAcknowledge(item)}`;
