// The email channel: https://hl7.org/fhir/R4/subscription.html#email. A mail goes over networks and into boxes that nobody
// here controls: without a payload it says nothing but that there is something, and where to look.
import type { XmlCodec } from '#fhir-model';
import { oneLine } from '../one-line.ts';
import type { Registration } from '../registration.ts';
import { readMailbox, splitMailHeader } from './mail-address.ts';
import { createMailer, type MailerOptions, mailDomain } from './mailer.ts';
import { attachedType, essenceOf, inFormat } from './payload.ts';
import type { SendResult } from './rest-hook.ts';

export interface Mail {
  registration: Pick<Registration, 'id' | 'endpoint' | 'payload' | 'header'>;
  /** Number of the event within its Subscription, from 1: of the last one told; undefined where there is none. */
  number: bigint | undefined;
  /** Undefined: the body is a notification of a topic. */
  resource?: { type: string; id: string };
  /** JSON text of the resource or notification; unused where nothing is attached. */
  body: string;
  /** Subscription.reason */
  reason: string;
}

export interface Email {
  /** Never throws. */
  send(mail: Mail): Promise<SendResult>;
  close(): void;
}

export interface EmailOptions extends MailerOptions {
  /** Our own FHIR base, told in the mail. */
  baseUrl: string;
  xml: XmlCodec;
}

export function createEmail(options: EmailOptions): Email {
  const mailer = createMailer(options);
  return { send: (mail) => mailer.send(composed(mail, options)), close: mailer.close };
}

function composed(mail: Mail, { baseUrl, from, xml }: EmailOptions) {
  const { registration, number, resource } = mail;
  const essence = essenceOf(registration.payload);
  const headers: [string, string][] = registration.header.flatMap((line) => {
    const parts = splitMailHeader(line);
    return parts ? [parts] : [];
  });
  const isSubject = ([name]: [string, string]) => name.toLowerCase() === 'subject';
  // The body of a notification says no more than that there is one, whatever is attached to it.
  const link = resource && essence === 'text/plain' ? `${baseUrl}/${resource.type}/${resource.id}` : baseUrl;
  return {
    to: { name: '', address: readMailbox(registration.endpoint) },
    subject: headers.findLast(isSubject)?.[1] || 'Subscription notification',
    text: `${oneLine(mail.reason)}\n\n${link}\n`,
    // The same for each attempt: who got it twice can tell. Each heartbeat is a mail of its own.
    ...(number === undefined ? {} : { messageId: `<${number}.${registration.id}@${mailDomain(from)}>` }),
    headers: [
      ...headers.filter((header) => !isSubject(header)).map(([key, value]) => ({ key, value })),
      // https://www.rfc-editor.org/rfc/rfc3834#section-5: no out-of-office answers.
      { key: 'Auto-Submitted', value: 'auto-generated' },
      { key: 'X-Cerebra-Subscription', value: registration.id },
      ...(number === undefined ? [] : [{ key: 'X-Cerebra-Event-Number', value: String(number) }]),
    ],
    attachments: attachmentsOf(mail, xml),
  };
}

function attachmentsOf({ resource, body, registration, number }: Mail, xml: XmlCodec) {
  const { payload } = registration;
  const contentType = resource && !essenceOf(payload).startsWith('application/') ? '' : attachedType(payload);
  if (contentType === '') return [];
  const isXml = essenceOf(contentType) === 'application/fhir+xml';
  const name = resource ? `${resource.type}-${resource.id}` : `notification-${number ?? 'heartbeat'}`;
  return [{ filename: `${name}.${isXml ? 'xml' : 'json'}`, contentType, content: inFormat(body, contentType, xml) }];
}
