// Handing mails in at a mail server: https://www.rfc-editor.org/rfc/rfc5321
import type { SendMailOptions } from 'nodemailer';
import type { SendResult } from './rest-hook.ts';

export interface Mailer {
  /** Never throws. */
  send(mail: SendMailOptions): Promise<SendResult>;
  close(): void;
}

export interface MailerOptions {
  /** `smtp://user:password@host:587`; `smtps:` for TLS from the first byte. */
  url: string;
  /** `Cerebra <no-reply@example.org>` */
  from: string;
  /** For the whole exchange. */
  timeoutMs: number;
}

/** Connections to the mail server; each is used for many mails. */
const connectionsMax = 4;

/** Imported with the first mail: a server that sends none does without 660 kB of code. */
async function openTransport({ url, timeoutMs }: MailerOptions) {
  const { createTransport } = await import('nodemailer');
  return createTransport({
    ...{ url, pool: true, maxConnections: connectionsMax, maxMessages: 1_000 },
    ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs },
    // A connection that is closed while it has a mail was given up: what it has not sent yet is not to go out any more.
    socketCloseTimeout: 0,
    // What is written in a mail is text: it is never read as the name of a file or of a page.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  });
}

export function createMailer(options: MailerOptions): Mailer {
  const { from, timeoutMs } = options;
  let transport: ReturnType<typeof openTransport> | undefined;
  return {
    async send(mail) {
      let timer: NodeJS.Timeout | undefined;
      const given = new AbortController();
      const late = new Promise<SendResult>((resolve) => {
        const error = `The mail server did not take the mail within ${timeoutMs} ms`;
        timer = setTimeout(() => {
          resolve({ ok: false, error, hostFault: true });
          // It is sent again: one that waits for a connection, or is on its way, would come a second time.
          given.abort();
        }, timeoutMs);
      });
      transport ??= openTransport(options);
      const sent = transport
        .then((opened) => opened.sendMail({ from, ...mail, signal: given.signal }))
        .then((): SendResult => ({ ok: true }), faultOf);
      const result = await Promise.race([sent, late]);
      clearTimeout(timer);
      return result;
    },
    close: () =>
      void transport?.then(
        (opened) => opened.close(),
        () => undefined,
      ),
  };
}

interface MailFault {
  code?: string;
  /** What the network or TLS said, where `code` sums it up. */
  originalCode?: string;
  responseCode?: number;
  /** What was answered: `MAIL FROM`, `RCPT TO`, `DATA`. */
  command?: string;
}

// The answer's own words are left out: they may repeat the mail.
function faultOf({ code, originalCode, responseCode = 0, command }: MailFault): SendResult {
  const error =
    responseCode === 0
      ? `The mail server can not be reached (${originalCode ?? code ?? 'no answer'})`
      : `The mail server answered ${responseCode}`;
  // 5yz to the recipient or to the mail is final; to our log-in, or to who we say we are, it is the operator's to mend: it would
  // end all Subscriptions of the channel at once.
  const isOfUs = logInCodes.includes(responseCode) || (command === 'MAIL FROM' && responseCode !== tooLargeCode);
  const isOfMail = !isOfUs && (code === 'EENVELOPE' || code === 'EMESSAGE');
  const isFinal = isOfMail && responseCode >= 500;
  return { ok: false, error, ...(isFinal ? { permanent: true } : {}), hostFault: !isOfMail };
}

/** https://www.rfc-editor.org/rfc/rfc4954#section-6: a log-in is needed, another one, or it failed. */
const logInCodes = [530, 534, 535, 538];
/** https://www.rfc-editor.org/rfc/rfc1870#section-6.1: the mail is larger than is taken, which is told when it is announced, too. */
const tooLargeCode = 552;

/** The right side of Message-IDs: the domain that mails come from. */
export const mailDomain = (from: string): string => /@([a-z0-9.-]+)/i.exec(from)?.[1] ?? 'localhost';
