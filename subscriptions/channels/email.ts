// The email channel: https://hl7.org/fhir/R4/subscription.html#email. A mail goes over networks and into boxes that nobody
// here controls: without a payload it says nothing but that there is something, and where to look.
import { createTransport } from 'nodemailer';
import { parseJson, type Resource, type XmlCodec } from '#fhir-model';
import type { Registration } from '../registration.ts';
import { essenceOf } from '../registration.ts';
import { readMailbox, splitMailHeader } from './mail-address.ts';
import type { SendResult } from './rest-hook.ts';

export interface Mail {
  registration: Pick<Registration, 'id' | 'endpoint' | 'payload' | 'header'>;
  /** Number of the event within its Subscription, from 1. */
  number: bigint;
  type: string;
  id: string;
  /** JSON text of the resource; unused without a FHIR payload. */
  body: string;
  /** Subscription.reason */
  reason: string;
}

export interface Email {
  /** Never throws. */
  send(mail: Mail): Promise<SendResult>;
  close(): void;
}

export interface EmailOptions {
  /** `smtp://user:password@host:587`; `smtps:` for TLS from the first byte. */
  url: string;
  /** `Cerebra <no-reply@example.org>` */
  from: string;
  /** For the whole exchange. */
  timeoutMs: number;
  /** Our own FHIR base, told in the mail. */
  baseUrl: string;
  xml: XmlCodec;
}

/** Connections to the mail server; each is used for many mails. */
const connectionsMax = 4;

export function createEmail(options: EmailOptions): Email {
  const { timeoutMs, url, from } = options;
  const transport = createTransport({
    ...{ url, pool: true, maxConnections: connectionsMax, maxMessages: 1_000 },
    ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs },
    // What a Subscription says is text: it is never read as the name of a file or of a page.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  });
  return {
    async send(mail) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<SendResult>((resolve) => {
        const error = `The mail server did not take the mail within ${timeoutMs} ms`;
        timer = setTimeout(() => resolve({ ok: false, error }), timeoutMs);
      });
      const sent = transport
        .sendMail({ from, ...composed(mail, options) })
        .then((): SendResult => ({ ok: true }), faultOf);
      const result = await Promise.race([sent, late]);
      clearTimeout(timer);
      return result;
    },
    close: () => transport.close(),
  };
}

interface MailFault {
  code?: string;
  responseCode?: number;
}

// The answer's own words are left out: they may repeat the mail.
function faultOf({ code, responseCode }: MailFault): SendResult {
  const error =
    responseCode === undefined
      ? `The mail server can not be reached (${code ?? 'no answer'})`
      : `The mail server answered ${responseCode}`;
  // 5yz to the recipient or to the mail is final; to our log-in it is the operator's to mend.
  const isFinal = (code === 'EENVELOPE' || code === 'EMESSAGE') && (responseCode ?? 0) >= 500;
  return isFinal ? { ok: false, error, permanent: true } : { ok: false, error };
}

function composed(mail: Mail, { baseUrl, from, xml }: EmailOptions) {
  const { registration, number } = mail;
  const essence = essenceOf(registration.payload);
  const headers: [string, string][] = registration.header.flatMap((line) => {
    const parts = splitMailHeader(line);
    return parts ? [parts] : [];
  });
  const isSubject = ([name]: [string, string]) => name.toLowerCase() === 'subject';
  const link = essence === 'text/plain' ? `${baseUrl}/${mail.type}/${mail.id}` : baseUrl;
  const domain = /@([a-z0-9.-]+)/i.exec(from)?.[1] ?? 'localhost';
  return {
    to: { name: '', address: readMailbox(registration.endpoint) },
    subject: headers.findLast(isSubject)?.[1] || 'Subscription notification',
    text: `${oneLine(mail.reason)}\n\n${link}\n`,
    // The same for each attempt: who got it twice can tell.
    messageId: `<${number}.${registration.id}@${domain}>`,
    headers: [
      ...headers.filter((header) => !isSubject(header)).map(([key, value]) => ({ key, value })),
      // https://www.rfc-editor.org/rfc/rfc3834#section-5: no out-of-office answers.
      { key: 'Auto-Submitted', value: 'auto-generated' },
      { key: 'X-Cerebra-Subscription', value: registration.id },
      { key: 'X-Cerebra-Event-Number', value: String(number) },
    ],
    attachments: essence.startsWith('application/') ? [attachment(mail, essence, xml)] : [],
  };
}

const oneLine = (text: string): string => text.replace(/[\s\p{Cc}]+/gu, ' ').trim();

function attachment({ type, id, body, registration }: Mail, essence: string, xml: XmlCodec) {
  const isXml = essence === 'application/fhir+xml';
  return {
    filename: `${type}-${id}.${isXml ? 'xml' : 'json'}`,
    contentType: registration.payload,
    content: isXml ? xml.write(parseJson(body).exact as Resource, false) : body,
  };
}
