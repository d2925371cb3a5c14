// A mail server for tests: takes one SMTP session after the other and records what was said.
// https://www.rfc-editor.org/rfc/rfc5321

import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface Session {
  /** Commands in the order they came, without the mails. */
  commands: string[];
}

export interface TakenMail {
  from: string;
  to: string[];
  /** As it came: head, empty line, body; lines end with CR LF. */
  text: string;
}

export interface MailServer {
  url: string;
  sessions: Session[];
  mails: TakenMail[];
  /** The answer to a command (`MAIL`, `RCPT`, `DATA`, or `.` for the mail itself); undefined: none at all. Default: success. */
  answer: (verb: string, line: string) => string | undefined;
}

const success: Record<string, string> = { DATA: '354 go on', QUIT: '221 bye', EHLO: '250 test.example.org' };

export async function startMailServer(t: TestContext): Promise<MailServer> {
  const sockets = new Set<Socket>();
  const mail: MailServer = { url: '', sessions: [], mails: [], answer: (verb) => success[verb] ?? '250 fine' };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    hold(mail, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  mail.url = `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return mail;
}

function hold(server: MailServer, socket: Socket): void {
  const session: Session = { commands: [] };
  server.sessions.push(session);
  let rest = '';
  let taken: TakenMail = { from: '', to: [], text: '' };
  let isMail = false;
  const reply = (verb: string, line: string): string => {
    const text = server.answer(verb, line) ?? '';
    if (text !== '') socket.write(`${text}\r\n`);
    return text;
  };
  const take = (line: string) => {
    if (isMail) {
      if (line !== '.') {
        taken.text += `${line.replace(/^\./, '')}\r\n`;
        return;
      }
      isMail = false;
      if (reply('.', line).startsWith('2')) server.mails.push(taken);
      return;
    }
    session.commands.push(line);
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'MAIL') taken = { from: line.slice(10), to: [], text: '' };
    if (verb === 'RCPT') taken.to.push(line.slice(8));
    isMail = reply(verb, line).startsWith('354');
  };
  socket.write('220 test.example.org\r\n');
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\r\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
}
