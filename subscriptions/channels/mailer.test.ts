// Mails that are given up: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startMailServer } from '#platform/testing';
import { createMailer } from './mailer.ts';

test('mails that were given up, some while they waited for a connection, are not sent later', async (t) => {
  // Not part of the time of the first mail, of which a slow machine would need all for it.
  await import('nodemailer');
  const server = await startMailServer(t);
  const usual = server.answer;
  const timeoutMs = 5_000;
  const mailer = createMailer({ url: server.url, from: 'Cerebra <no-reply@example.org>', timeoutMs });
  t.after(() => mailer.close());
  const send = (name: string) => mailer.send({ to: `${name}@example.org`, subject: 'A', text: 'A' });
  assert.deepEqual(await send('before'), { ok: true });
  server.answer = () => undefined;
  // More than there are connections.
  const late = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(send));
  server.answer = usual;
  const error = `The mail server did not take the mail within ${timeoutMs} ms`;
  assert.deepEqual(late, Array(6).fill({ ok: false, error, hostFault: true }));
  assert.deepEqual(await send('after'), { ok: true });
  assert.deepEqual(
    server.mails.map(({ to }) => to),
    [['<before@example.org>'], ['<after@example.org>']],
  );
});
