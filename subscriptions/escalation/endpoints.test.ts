import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, test } from 'node:test';
import { readEndpoints } from './endpoints.ts';
import { createLinks } from './link.ts';
import { isSignedByTwilio, readReply, twiml } from './reply.ts';

const sid = `AC${'0'.repeat(32)}`;
const read = (list: unknown, environment = {}) => readEndpoints(JSON.stringify(list), environment);

describe('endpoints', () => {
  it('have their secrets from variables and files', (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'endpoints-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = path.join(folder, 'token');
    writeFileSync(file, 'from a file\n');
    const list = [
      { name: 'team', template: 'slack', url: { env: 'SLACK' } },
      { name: 'pager', template: 'pagerduty', routingKey: { env: 'KEY' } },
      { name: 'sms', template: 'twilio', accountSid: sid, authToken: { file }, from: '+15550100' },
      { name: 'program', template: 'json' },
    ];
    assert.deepEqual(read(list, { SLACK: 'https://hooks.example.org/x', KEY: 'k' }), [
      { name: 'team', template: 'slack', url: 'https://hooks.example.org/x' },
      { name: 'pager', template: 'pagerduty', url: 'https://events.pagerduty.com/v2/enqueue', routingKey: 'k' },
      {
        ...{ name: 'sms', template: 'twilio', url: 'https://api.twilio.com' },
        accountSid: sid,
        authToken: 'from a file',
        from: '+15550100',
      },
      { name: 'program', template: 'json', headers: {} },
    ]);
    writeFileSync(file, JSON.stringify([list[3]]));
    assert.equal(readEndpoints(file, {})[0]!.name, 'program');
    assert.deepEqual(readEndpoints(undefined, {}), []);
  });

  const twilio = { name: 'a', template: 'twilio', accountSid: sid, authToken: { env: 'T' } };
  const wrong: [string, unknown, RegExp][] = [
    [
      'an unknown template',
      [{ name: 'a', template: 'fax' }],
      /0\.template: must be slack, teams, pagerduty, twilio, json or mail-replies/,
    ],
    [
      'an address with no room for the token',
      [{ name: 'a', template: 'mail-replies', address: 'alerts-of-the-house@example.org', secret: { env: 'T' } }],
      /0\.address: at most 15 characters before the @/,
    ],
    [
      'two for replies to mails',
      ['a', 'b'].map((name) => ({ name, template: 'mail-replies', address: 'a@example.org', secret: { env: 'T' } })),
      /two have mail-replies/,
    ],
    ['a name that is taken', [{ name: 'email', template: 'json' }], /email and websocket are there already/],
    [
      'two of one name',
      [
        { name: 'a', template: 'json' },
        { name: 'a', template: 'json' },
      ],
      /two endpoints have one name/,
    ],
    ['a secret in the open', [{ name: 'a', template: 'pagerduty', routingKey: 'hush-hush' }], /0\.routingKey/],
    [
      'a variable that is not set',
      [{ name: 'a', template: 'slack', url: { env: 'NONE' } }],
      /a\.url: the variable NONE is not set/,
    ],
    [
      'a variable that is called as what every object has',
      [{ name: 'a', template: 'slack', url: { env: 'constructor' } }],
      /a\.url: the variable constructor is not set/,
    ],
    [
      'a file that is not there',
      [{ name: 'a', template: 'slack', url: { file: '/none' } }],
      /a\.url: \/none cannot be read/,
    ],
    ['no URL', [{ name: 'a', template: 'slack', url: { env: 'T' } }], /a\.url is not an http: or https: URL/],
    [
      'two senders',
      [{ ...twilio, from: '+15550100', messagingServiceSid: `MG${'0'.repeat(32)}` }],
      /from or messagingServiceSid/,
    ],
    ['no sender', [twilio], /from or messagingServiceSid/],
    ['a header with a line break', [{ name: 'a', template: 'json', headers: { A: 'b\r\nC: d' } }], /0\.headers\.A/],
  ];
  for (const [name, list, message] of wrong) {
    it(`with ${name} are refused, without their values`, () => {
      assert.throws(
        () => read(list, { T: 'hush-hush' }),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'config');
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /hush-hush/);
          return true;
        },
      );
    });
  }

  it('that are no JSON are refused', () => {
    assert.throws(() => readEndpoints('{"hush"', {}), { code: 'config', message: 'ALERT_ENDPOINTS is not JSON' });
    assert.throws(() => readEndpoints('[{"hush"', {}), { code: 'config', message: 'ALERT_ENDPOINTS is not JSON' });
    assert.throws(() => readEndpoints('/none', {}), {
      code: 'config',
      message: 'ALERT_ENDPOINTS (/none) cannot be read',
    });
  });
});

test('a link is good for its message and its time, under its key only', () => {
  const links = createLinks(Buffer.alloc(32, 1));
  const id = '3b0e7f9a-64c1-5d57-8a34-95d1c04c7f11';
  const token = links.tokenOf(id, 1_800_000_000_500);
  assert.match(token, /^[\w-]{22}\.[0-9a-z]{6}\.[\w-]{22}$/);
  assert.deepEqual(links.read(token), { messageId: id, untilMs: 1_800_000_000_000 });
  assert.equal(createLinks(Buffer.alloc(32, 2)).read(token), undefined);
  for (const [i, character] of [...token].entries()) {
    // The last character of 16 bytes in base64url has four bits that count.
    const other = character === 'z' ? '1' : 'z';
    const read = links.read(token.slice(0, i) + other + token.slice(i + 1));
    assert.ok(read === undefined || i === 21 || i === token.length - 1, `character ${i}`);
  }
  for (const odd of ['', '.', `${token}x`, `x${token}`, token.replace('.', ''), `${token}\n`])
    assert.equal(links.read(odd), undefined);
});

test("Twilio's own example of a signature", () => {
  // https://www.twilio.com/docs/usage/security#validating-requests: the parameters, token and signature shown there.
  const form = new URLSearchParams({
    ...{
      CallSid: 'CA1234567890ABCDE',
      Caller: '+12349013030',
      Digits: '1234',
      From: '+12349013030',
      To: '+18005551212',
    },
  });
  const url = 'https://mycompany.com/myapp.php?foo=1&bar=2';
  assert.equal(isSignedByTwilio(url, form, '12345', '0/KCTR6DLpKmkAf8muzZqo1nDgQ='), true);
  assert.equal(isSignedByTwilio(url, form, '12346', '0/KCTR6DLpKmkAf8muzZqo1nDgQ='), false);
  assert.equal(isSignedByTwilio(`${url}&x`, form, '12345', '0/KCTR6DLpKmkAf8muzZqo1nDgQ='), false);
  for (const signature of ['', 'x', '0/KCTR6DLpKmkAf8muzZqo1nDg=='])
    assert.equal(isSignedByTwilio(url, form, '12345', signature), false);
});

test('replies that acknowledge, and others', () => {
  const replies: [string, string | undefined][] = [
    ['ACK', ''],
    ['ack 0042', '0042'],
    [' Ok. ', ''],
    ['yes: 1234!', '1234'],
    ['1234', '1234'],
    ['Acknowledged', ''],
    ['', undefined],
    ['no', undefined],
    ['ack 12345', undefined],
    ['I do not acknowledge 1234', undefined],
    ['STOP', undefined],
    ['...', undefined],
  ];
  for (const [text, expected] of replies) assert.equal(readReply(text), expected, text);
  assert.equal(
    twiml('a < b'),
    '<?xml version="1.0" encoding="UTF-8"?><Response><Message>a &#60; b</Message></Response>',
  );
});
