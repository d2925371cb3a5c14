import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AnswerParser } from './exchange.ts';
import { httpParser, httpRequests, mllpParser, mqttConnect, mqttParser, mqttPublish } from './parsers.ts';

/** What each complete answer was called with, feeding `size` bytes at a time. */
function answers(parser: AnswerParser, bytes: Buffer, size: number): (string | undefined)[] {
  const seen: (string | undefined)[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    parser.push(bytes.subarray(at, at + size), (failure) => seen.push(failure));
  }
  return seen;
}

const http = (status: string, body: string): string =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

test('HTTP answers end where their length says, whatever the chunks', () => {
  const bytes = Buffer.from(http('200 OK', 'abc') + http('201 Created', '') + http('200 OK', 'x\r\n\r\ny'));
  for (const size of [1, 2, 7, bytes.length]) {
    assert.deepEqual(answers(httpParser(), bytes, size), [undefined, undefined, undefined], `chunks of ${size}`);
  }
});

test('an HTTP answer of another status is a failure that says so', () => {
  const [failure] = answers(httpParser(), Buffer.from(http('422 Unprocessable Entity', '{"issue":1}')), 1_000);
  assert.match(failure ?? '', /^422 Unprocessable Entity.*\{"issue":1\}$/s);
});

test('HTTP requests end where their length says, without one at the end of their head', () => {
  const bytes = Buffer.from(
    'PUT /a HTTP/1.1\r\nContent-Length: 5\r\nX-N: 1\r\n\r\na\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\n\r\nPOST /c HTTP/1.1\r\ncontent-length:2\r\n\r\n{}',
  );
  for (const size of [1, 3, 40, bytes.length]) {
    const heads: string[] = [];
    const push = httpRequests((head) => heads.push(head.slice(0, head.indexOf(' HTTP'))));
    for (let at = 0; at < bytes.length; at += size) push(bytes.subarray(at, at + size));
    assert.deepEqual(heads, ['PUT /a', 'POST /b', 'POST /c'], `chunks of ${size}`);
  }
});

test('MLLP blocks are good when they acknowledge', () => {
  const bytes = Buffer.from('\x0bMSH|^~\\&\rMSA|AA|1\r\x1c\r\x0bMSH|^~\\&\rMSA|AE|2\r\x1c\r');
  for (const size of [1, 5, bytes.length]) {
    assert.deepEqual(answers(mllpParser(), bytes, size), [undefined, '\x0bMSH|^~\\&\rMSA|AE|2\r'], `chunks of ${size}`);
  }
});

test('CONNACK and PUBACK are answers, a refusal is a failure', () => {
  const bytes = Buffer.from('20020000' + '40020001' + '20020005', 'hex');
  for (const size of [1, 3, bytes.length]) {
    assert.deepEqual(answers(mqttParser(), bytes, size), [undefined, undefined, 'MQTT answer 20020005']);
  }
});

test('MQTT packets are those of the specification', () => {
  assert.equal(mqttConnect('ab').toString('hex'), '100e00044d5154540402000000026162');
  assert.equal(mqttPublish('t', 258, 'x').toString('hex'), '320600017401027' + '8');
  const long = mqttPublish('t', 1, 'x'.repeat(200));
  assert.equal(long.subarray(0, 3).toString('hex'), '32cd01');
  assert.equal(long.length, 3 + 205);
});
