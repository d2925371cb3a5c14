// What is wrong with a request, how it is told, and that nothing of it is done: https://hl7.org/fhir/R4/http.html

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { assertOutcome } from './client.ts';
import { serveTests } from './server.ts';
import { createWire, type IssueShape } from './wire.ts';

const fhir = serveTests();

const patient = (more: object = {}) => ({ resourceType: 'Patient', ...more });
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const countPatients = async () => (await fhir('GET', 'Patient?_summary=count')).json.total;

describe('JSON that could be read in two ways', () => {
  test('a name that stands twice is refused, wherever it stands, with its place', async () => {
    const before = await countPatients();
    const cases: [string, string][] = [
      ['{"resourceType":"Patient","active":true,"active":false}', 'Patient.active'],
      ['{"resourceType":"Patient","resourceType":"Patient"}', 'Patient.resourceType'],
      ['{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}', 'Patient.name[0].family'],
      ['{"resourceType":"Patient","name":[{"family":"a","f\\u0061mily":"b"}]}', 'Patient.name[0].family'],
    ];
    for (const [body, expression] of cases) {
      const issue = assertOutcome(await fhir('POST', 'Patient', body), 400, 'structure', expression);
      assert.match(issue.diagnostics, /stands twice in one object, again at line 1, column \d+: .*send one/);
    }
    const entry =
      '{"request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Patient","id":"a","id":"b"}}';
    const bundle = `{"resourceType":"Bundle","type":"transaction","entry":[${entry}]}`;
    assertOutcome(await fhir('POST', '', bundle), 400, 'structure', 'Bundle.entry[0].resource.id');
    const patch = '[{"op":"add","path":"/active","value":true,"value":false}]';
    const type = { 'Content-Type': 'application/json-patch+json' };
    assertOutcome(await fhir('PATCH', 'Patient/x', patch, type), 400, 'structure', '$this[0].value');
    assert.equal(await countPatients(), before);
  });

  test('half a surrogate pair is refused: it has no UTF-8', async () => {
    const issue = assertOutcome(
      await fhir('POST', 'Patient', '{"resourceType":"Patient","name":[{"family":"\\ud800"}]}'),
      400,
      'structure',
    );
    assert.match(issue.diagnostics, /Half a surrogate pair.* at line 1, column 46/);
    const whole = await fhir('POST', 'Patient', '{"resourceType":"Patient","name":[{"family":"\\ud83d\\ude00"}]}');
    assert.equal(whole.status, 201);
    assert.deepEqual(whole.json.name, [{ family: '😀' }]);
  });
});

describe('a search that means something else than it says', () => {
  test('a modifier or chain that nothing has is refused, however lenient', async () => {
    for (const name of [
      "name:exact'",
      'name:__proto__',
      'name:exact:exact',
      'name:',
      'general-practitioner:__proto__.name',
    ]) {
      const reply = await fhir('GET', `Patient?${encodeURIComponent(name)}=x`);
      const issue = assertOutcome(reply, 400, 'value', name);
      assert.match(issue.diagnostics, /stands no modifier or chain of R4/);
    }
    // A parameter that is not known is left out, as R4 has it.
    assert.equal((await fhir('GET', 'Patient?nothing:exact%27=x')).status, 200);
  });

  test('escapes that are not UTF-8 are refused: they would find nothing, and be made once more by each condition', async () => {
    for (const query of ['family=M%FCller', 'family:exact=a%C3', 'f%E4mily=x', '_has:Observation:patient:code=%80']) {
      const issue = assertOutcome(await fhir('GET', `Patient?${query}`), 400, 'value');
      assert.match(issue.diagnostics, /its escapes are not UTF-8/);
    }
    const before = await countPatients();
    const ifNoneExist = { 'If-None-Exist': 'family=M%FCller' };
    assertOutcome(await fhir('POST', 'Patient', patient({ name: [{ family: 'Müller' }] }), ifNoneExist), 400, 'value');
    assert.equal(await countPatients(), before);
    // The character that stands for unknown ones is one itself.
    assert.equal((await fhir('GET', 'Patient?family=%EF%BF%BD')).status, 200);
    assert.equal((await fhir('GET', 'Patient?family=M%C3%BCller')).status, 200);
  });

  test('a _count of any size is lowered to the most there is', async () => {
    for (const count of ['1000000000', `1${'0'.repeat(100)}`]) {
      for (const path of [`Patient?_count=${count}`, `Patient/_history?_count=${count}`])
        assert.equal((await fhir('GET', path)).status, 200, path);
    }
    for (const path of ['Patient?_count=1e9', 'Patient/_history?_count=1e9'])
      assertOutcome(await fhir('GET', path), 400, 'value', '_count');
  });

  test('a parameter without a name', async () => {
    const reply = await fhir('GET', 'Patient?=x', undefined, { Prefer: 'handling=strict' });
    const issue = assertOutcome(reply, 400, 'not-supported');
    assert.equal(issue.expression, undefined);
  });
});

describe('conditions that can’t be what was meant', () => {
  test('an empty If-Match or If-None-Match changes nothing', async () => {
    const resource = patient({ id: 'guarded', active: true });
    assert.equal((await fhir('PUT', 'Patient/guarded', resource)).status, 201);
    for (const name of ['If-Match', 'If-None-Match']) {
      const headers = { [name]: '' };
      assertOutcome(await fhir('PUT', 'Patient/guarded', patient({ id: 'guarded' }), headers), 400, 'invalid', name);
      assertOutcome(await fhir('DELETE', 'Patient/guarded', undefined, headers), 400, 'invalid', name);
    }
    const { json } = await fhir('GET', 'Patient/guarded');
    assert.deepEqual([json.active, (json.meta as { versionId: string }).versionId], [true, '1']);
  });

  test('a header that stands twice is refused', async () => {
    const { hostname, port, pathname } = new URL(fhir.base);
    const body = JSON.stringify(patient());
    const patches = 'Content-Type: application/json-patch+json\r\nContent-Type: application/merge-patch+json\r\n';
    const cases: [string, string, string][] = [
      [
        'POST /Patient',
        'if-none-exist',
        'Content-Type: application/fhir+json\r\nIf-None-Exist: identifier=1\r\nIf-None-Exist: identifier=2\r\n',
      ],
      ['POST /Patient', 'content-type', 'Content-Type: application/fhir+json\r\nContent-Type: text/html\r\n'],
      ['POST /Binary', 'content-type', 'Content-Type: text/plain\r\nContent-Type: text/html\r\n'],
      ['PATCH /Patient/1', 'content-type', patches],
    ];
    for (const [start, name, headers] of cases) {
      const [method, path] = start.split(' ');
      const text = await talk(
        net.connect(Number(port), hostname),
        `${method} ${pathname}${path} HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      );
      const issue = issueOf(text, 400);
      assert.deepEqual([issue.code, issue.expression], ['invalid', [name]]);
    }
  });

  test('criteria that are none are asked for in words that fit the request', async () => {
    const { status, text } = await fhir('DELETE', 'Patient?_count=1');
    assert.equal(status, 400);
    assert.match(text, /At least one search criterion is needed/);
    assert.doesNotMatch(text, /Bundle/);
    const create = await fhir('POST', 'Patient', patient(), { 'If-None-Exist': '' });
    assertOutcome(create, 400, 'value', 'If-None-Exist');
    assert.doesNotMatch(create.text, /Bundle/);
  });
});

test('a NUL character in an id of a GraphQL query', async () => {
  const query = { query: '{Patient(id:"a\\u0000"){id}}' };
  const reply = await fhir('POST', '$graphql', query, { 'Content-Type': 'application/json' });
  assert.match(JSON.stringify(reply.json.errors), /is not known/);
  assert.doesNotMatch(reply.text, /Internal error/);
});

describe('what is too large', () => {
  test('values that searches look for: 300,000 of a resource', async () => {
    const tags = (count: number) =>
      patient({ meta: { tag: many(count, (i) => ({ system: 'urn:t', code: `c${i}` })) } });
    const minimal = { Prefer: 'return=minimal' };
    assert.equal((await fhir('POST', 'Patient', tags(10_000), minimal)).status, 201);
    const issue = assertOutcome(await fhir('POST', 'Patient', tags(300_001), minimal), 413, 'too-long', 'Patient');
    assert.match(issue.diagnostics, /more than 300000 values that searches look for: split it/);
  });

  test('values of a body: a million', async () => {
    const body = `{"resourceType":"Patient","name":[${'{},'.repeat(1_000_001)}{}]}`;
    assertOutcome(await fhir('POST', 'Patient', body), 400, 'too-costly');
  });

  test('a narrative: 8 MB', async () => {
    const narrative = (length: number) => {
      const div = `<div xmlns="http://www.w3.org/1999/xhtml">${'x'.repeat(length)}</div>`;
      return patient({ text: { status: 'generated', div } });
    };
    const minimal = { Prefer: 'return=minimal' };
    assert.equal((await fhir('POST', 'Patient', narrative(8_000_000), minimal)).status, 201);
    const refused = await fhir('POST', 'Patient', narrative(8 * 1024 * 1024), minimal);
    assertOutcome(refused, 400, 'value', 'Patient.text.div');
  });

  test('compressed to nothing and 1 GB large', async () => {
    const megabytes = gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20));
    // gzip members one after the other are one text.
    const bomb = Buffer.concat(many(16, () => megabytes));
    const reply = await fhir('POST', 'Patient', bomb, { 'Content-Encoding': 'gzip' });
    assertOutcome(reply, 413, 'too-long');
  });

  test('several large bodies at once are taken one after the other', async () => {
    const body = JSON.stringify(
      patient({ extension: many(160_000, () => ({ url: 'u', valueString: 'x'.repeat(100) })) }),
    );
    assert.ok(body.length > 20_000_000);
    const minimal = { Prefer: 'return=minimal' };
    // Where one takes 6 s, as on a slow machine, those behind it have waited for 30 and are told to send theirs again.
    const taken = async (): Promise<number> => {
      for (let sent = 1; ; sent++) {
        const { status } = await fhir('POST', 'Patient', body, minimal);
        if (status !== 503 || sent === 10) return status;
      }
    };
    const statuses = await Promise.all(many(8, taken));
    assert.deepEqual(
      statuses,
      many(8, () => 201),
    );
  });
});

/** Sends, and yields all that comes until the connection is closed. */
async function talk(socket: net.Socket, text: string | Buffer): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // The server may hang up while much is still being sent.
  socket.on('error', () => {});
  socket.write(text);
  await once(socket, 'close');
  return String(Buffer.concat(chunks));
}

/** Of a raw response that is an OperationOutcome. */
function issueOf(text: string, status: number): IssueShape {
  assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
  assert.match(text, /\r\nContent-Type: application\/fhir\+json/i);
  const outcome = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as { issue: IssueShape[] };
  assert.ok(outcome.issue[0]!.diagnostics.length > 20);
  return outcome.issue[0]!;
}

describe('what is no HTTP', () => {
  const connect = () => {
    const { hostname, port } = new URL(fhir.base);
    return net.connect(Number(port), hostname);
  };
  const post = 'POST /fhir/R4/Patient HTTP/1.1\r\nHost: localhost\r\n';
  const cases: [string, string, number, string][] = [
    ['another protocol', 'MSH|^~\\&|\r\n\r\n', 400, 'structure'],
    ['a method that is none', 'FETCH /fhir/R4 HTTP/1.1\r\n\r\n', 400, 'structure'],
    ['two lengths', `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}`, 400, 'structure'],
    [
      'a length and chunks',
      `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'structure',
    ],
    ['a negative length', `${post}Content-Length: -5\r\n\r\n`, 400, 'structure'],
    ['a chunk without a size', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, 'structure'],
    ['a header in two lines', 'GET /fhir/R4 HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n', 400, 'structure'],
    ['a NUL in a header', 'GET /fhir/R4 HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n', 400, 'structure'],
    ['a space in the URL', 'GET /fhir/R4/Patient/a b HTTP/1.1\r\nHost: localhost\r\n\r\n', 400, 'structure'],
    [
      'a URL of 100 kB',
      `GET /fhir/R4/Patient?name=${'x'.repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      431,
      'too-long',
    ],
    ['5,000 headers', `GET /fhir/R4 HTTP/1.1\r\nHost: localhost\r\n${'A: b\r\n'.repeat(5000)}\r\n`, 431, 'too-long'],
    ['no Host', 'GET /fhir/R4/Patient HTTP/1.1\r\n\r\n', 400, 'structure'],
    ['two Hosts', 'GET /fhir/R4/Patient HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n', 400, 'structure'],
    [
      'the URL of another server',
      'GET http://evil.example/fhir/R4/Patient HTTP/1.1\r\nHost: localhost\r\n\r\n',
      403,
      'forbidden',
    ],
    ['a tunnel', 'CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n', 405, 'not-supported'],
    ['an expectation', `${post}Expect: wonders\r\nContent-Length: 2\r\n\r\n{}`, 417, 'not-supported'],
  ];
  for (const [name, text, status, code] of cases) {
    test(name, async () => {
      assert.equal(issueOf(await talk(connect(), text), status).code, code);
    });
  }

  test('a HEAD that is too large gets a head alone', async () => {
    const text = await talk(connect(), `HEAD /fhir/R4/Patient?name=${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 431 .*\r\nConnection: close\r\n\r\n$/s);
  });

  test('the server goes on', async () => {
    assert.equal((await fhir('GET', 'metadata?_elements=fhirVersion')).status, 200);
  });

  test('the base without a slash is FHIR as well', async () => {
    const { status, headers } = await createWire(fhir.base)('PURGE', '');
    assert.equal(status, 405);
    assert.match(headers['content-type'] ?? '', /^application\/fhir\+json/);
  });
});
