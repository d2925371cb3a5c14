// Bundles that are large, slow or hostile: https://hl7.org/fhir/R4/http.html#transaction
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { waitFor } from '#platform/testing';
import { assertOutcome, entries } from './client.ts';
import { serveTests } from './server.ts';

const fhir = serveTests({ BUNDLE_ENTRIES_MAX: '2000', VERSION_REQUIRED: 'Encounter' });

type Element = Record<string, unknown>;
const TYPES = ['transaction', 'batch'] as const;
const bundle = (type: string, entry: unknown[]): Element => ({ resourceType: 'Bundle', type, entry });
const patient = (value: string): Element => ({ resourceType: 'Patient', identifier: [{ system: 'urn:li', value }] });
const post = (resource: Element, more: Element = {}): Element => ({
  resource,
  request: { method: 'POST', url: resource.resourceType, ...more },
});
const total = async (value: string): Promise<unknown> =>
  (await fhir('GET', `Patient?identifier=urn:li|${value}&_total=accurate`)).json.total;

describe('a Bundle of many entries', () => {
  for (const type of TYPES) {
    test(`${type}: as many as are allowed, not one more`, async () => {
      const many = Array.from({ length: 2000 }, () => post(patient(`many-${type}`)));
      const reply = await fhir('POST', '', bundle(type, many));
      assert.equal(reply.status, 200, reply.text.slice(0, 500));
      const statuses = new Set(entries(reply).map(({ response }) => response!.status));
      assert.deepEqual([entries(reply).length, [...statuses]], [2000, ['201 Created']]);
      assert.equal(await total(`many-${type}`), 2000);
      const more = await fhir('POST', '', bundle(type, [...many, post(patient('over'))]));
      const issue = assertOutcome(more, 413, 'too-long', 'Bundle.entry');
      assert.match(issue.diagnostics, /2001 entries, BUNDLE_ENTRIES_MAX allows 2000/);
    });

    test(`${type}: 100,000 entries, of whatever kind, are refused`, async () => {
      const body = `{"resourceType":"Bundle","type":"${type}","entry":[${'{},'.repeat(99_999)}{}]}`;
      assertOutcome(await fhir('POST', '', body), 413, 'too-long', 'Bundle.entry');
    });

    test(`${type}: answers that are too large together are refused, and the server goes on`, async () => {
      const text = 'x'.repeat(900_000);
      const narrative = { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${text}</div>` };
      await fhir('PUT', 'Patient/li-huge', { ...patient('huge'), id: 'li-huge', text: narrative });
      const gets = Array.from({ length: 100 }, () => ({ request: { method: 'GET', url: 'Patient/li-huge' } }));
      const reply = await fhir('POST', '', bundle(type, gets));
      if (type === 'transaction') assertOutcome(reply, 400, 'too-costly', 'Bundle.entry[74].request.url');
      else {
        const failed = entries(reply).filter(({ response }) => response!.status === '400 Bad Request');
        assert.equal(failed.length, 100 - 74);
      }
      assert.equal((await fhir('GET', 'Patient/li-huge?_summary=text')).status, 200);
    });

    test(`${type}: of what conditional creates find no more comes along than of reads`, async () => {
      const div = `<div xmlns="http://www.w3.org/1999/xhtml">${'x'.repeat(900_000)}</div>`;
      await fhir('PUT', 'Patient/li-found', {
        ...patient('found'),
        id: 'li-found',
        text: { status: 'generated', div },
      });
      const same = Array.from({ length: 100 }, () => post(patient('x'), { ifNoneExist: 'identifier=urn:li|found' }));
      const found = entries(await fhir('POST', '', bundle(type, same)));
      assert.equal(new Set(found.map(({ response }) => response!.location)).size, 1);
      assert.equal(found.filter(({ resource }) => resource !== undefined).length, 74);
      assert.equal(found.length, 100);
    });
  }

  test('2,000 conditional creates of one patient make one', async () => {
    const same = Array.from({ length: 2000 }, () => post(patient('one'), { ifNoneExist: 'identifier=urn:li|one' }));
    const reply = await fhir('POST', '', bundle('transaction', same));
    assert.equal(reply.status, 200, reply.text.slice(0, 500));
    assert.equal(new Set(entries(reply).map(({ response }) => response!.location)).size, 1);
    assert.equal(await total('one'), 1);
  });
});

describe('a hostile Bundle', () => {
  const deep = `${'{"extension":[{"url":"x",'.repeat(200)}"valueString":"x"${'}]}'.repeat(200)}`;
  const cases: [string, string, number, string][] = [
    ['nested too deeply', `[{"resource":${deep}}]`, 400, 'structure'],
    ['__proto__ as an entry', '{"__proto__":[]}', 400, 'structure'],
    ['an entry that is an array', '[[]]', 400, 'structure'],
    ['method that is an object', '[{"request":{"method":{},"url":"Patient"}}]', 400, 'structure'],
    ['url that is a number', '[{"request":{"method":"GET","url":5}}]', 400, 'structure'],
    ['a path out of the base', '[{"request":{"method":"GET","url":"../../healthz"}}]', 404, 'not-supported'],
    ['broken percent-encoding', '[{"request":{"method":"GET","url":"Patient/%E0%A4%A"}}]', 400, 'invalid'],
    [
      'SQL in an id',
      `[{"request":{"method":"DELETE","url":"Patient/1';drop/**/table/**/resource--"}}]`,
      400,
      'invalid',
    ],
    ['SQL in a type', `[{"request":{"method":"DELETE","url":"patient;drop--table/1"}}]`, 404, 'not-supported'],
    ['a NUL in criteria', '[{"request":{"method":"DELETE","url":"Patient?identifier=a\\u0000b"}}]', 400, 'value'],
  ];
  for (const [what, entry, status, code] of cases) {
    test(what, async () => {
      const text = (type: string) => `{"resourceType":"Bundle","type":"${type}","entry":${entry}}`;
      assertOutcome(await fhir('POST', '', text('transaction')), status, code);
      const reply = await fhir('POST', '', text('batch'));
      if (reply.status !== 200) assertOutcome(reply, status, code);
      else {
        const { response } = entries(reply)[0]!;
        assert.equal(response!.status.slice(0, 3), String(status));
        assert.equal((response!.outcome!.issue as unknown as { code: string }[])[0]!.code, code);
      }
    });
  }

  test('entries with 900 criteria each', async () => {
    const criteria = Array.from({ length: 900 }, (_, i) => `identifier=urn:li|c${i}`).join('&');
    const entry = Array.from({ length: 20 }, (_, i) =>
      post(patient('x'), { ifNoneExist: `${criteria}&active=${i % 2}` }),
    );
    const reply = await fhir('POST', '', bundle('transaction', entry));
    assert.ok(reply.status >= 400 && reply.status < 500, `${reply.status}`);
    assert.equal(reply.json.resourceType, 'OperationOutcome');
  });
});

describe('clients that are slow', () => {
  function stalled(body: string, sent: number): Promise<Socket> {
    const { hostname, port, pathname } = new URL(fhir.base);
    const socket = connect(Number(port), hostname);
    const head = `POST ${pathname} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\nContent-Length: ${body.length}\r\n\r\n`;
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.write(head + body.slice(0, sent), () => resolve(socket));
    });
  }

  test('hold no connection of the database, and what they began is not there', async () => {
    const body = JSON.stringify(
      bundle(
        'transaction',
        Array.from({ length: 50 }, () => post(patient('stalled'))),
      ),
    );
    const sockets = await Promise.all(Array.from({ length: 30 }, () => stalled(body, body.length - 1)));
    const reply = await fhir('POST', '', bundle('transaction', [post(patient('beside-stalled'))]));
    assert.equal(reply.status, 200);
    const last = sockets.pop()!;
    for (const socket of sockets) socket.destroy();
    assert.equal(await total('stalled'), 0);
    last.write(body.slice(-1));
    await waitFor(async () => (await total('stalled')) === 50, 'the one that goes on to be stored');
    last.destroy();
  });
});

describe('types that need ifMatch', () => {
  const encounter = (status: string): Element => ({
    resourceType: 'Encounter',
    id: 'li-v',
    status,
    class: { code: 'AMB' },
  });
  const put = (status: string, more: Element = {}): Element => ({
    resource: encounter(status),
    request: { method: 'PUT', url: 'Encounter/li-v', ...more },
  });

  test('are created without, and changed only with it', async () => {
    assert.equal((await fhir('POST', '', bundle('transaction', [put('planned')]))).status, 200);
    const refused = await fhir('POST', '', bundle('transaction', [post(patient('v')), put('arrived')]));
    assertOutcome(refused, 400, 'required', 'Bundle.entry[1].request.ifMatch');
    const batch = await fhir('POST', '', bundle('batch', [put('arrived'), post(patient('v'))]));
    const [first, second] = entries(batch);
    assert.equal(first!.response!.status, '400 Bad Request');
    const issue = (first!.response!.outcome!.issue as unknown as { code: string; expression: string[] }[])[0]!;
    assert.deepEqual([issue.code, issue.expression], ['required', ['Bundle.entry[0].request.ifMatch']]);
    assert.equal(second!.response!.status, '201 Created');
    const remove = { request: { method: 'DELETE', url: 'Encounter/li-v' } };
    assertOutcome(
      await fhir('POST', '', bundle('transaction', [remove])),
      400,
      'required',
      'Bundle.entry[0].request.ifMatch',
    );
    const good = await fhir('POST', '', bundle('transaction', [put('arrived', { ifMatch: 'W/"1"' })]));
    assert.equal(good.status, 200, good.text);
    assert.equal((await fhir('GET', 'Encounter/li-v')).json.status, 'arrived');
  });
});
