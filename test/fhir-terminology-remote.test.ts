// What another terminology server has, through the operations: https://hl7.org/fhir/R4/terminology-service.html
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Client, createClient, type Reply } from './client.ts';
import { assertRefused, posted, value } from './code-systems.ts';
import { startTestServer, type TestServer } from './server.ts';

const FAR = 'http://far.example.org/cs';
const STUB = 'http://far.example.org/stub';
const SET = 'http://far.example.org/vs';

let far: Server;
let server: TestServer;
let call: Client;
let asked: string[] = [];

const result = (valid: boolean) =>
  posted({ name: 'result', valueBoolean: valid }, { name: 'message', valueString: 'far' });
const expansion = { timestamp: '2024-01-01', total: 1, contains: [{ system: FAR, code: 'ok' }] };

/** Status and body, by path and query. */
function answer(path: string, query: URLSearchParams): [number, object] {
  const url = query.get('url') ?? query.get('system');
  const isOk = query.get('code') === 'ok';
  if (path === '/r4/CodeSystem' && (url === FAR || url === STUB)) {
    return [200, { resourceType: 'Bundle', entry: [{ resource: { resourceType: 'CodeSystem', url, version: 'R1' } }] }];
  }
  if (query.get('code') === 'shut') return [403, { resourceType: 'OperationOutcome' }];
  if (path === '/r4/CodeSystem/$lookup' && isOk) return [200, posted({ name: 'display', valueString: 'Fine' })];
  if (path === '/r4/ValueSet/$validate-code' && url === SET) return [200, result(isOk)];
  if (path === '/r4/ValueSet/$expand' && url === SET) return [200, { resourceType: 'ValueSet', url, expansion }];
  if (path === '/r4/CodeSystem') return [200, { resourceType: 'Bundle' }];
  return [404, { resourceType: 'OperationOutcome' }];
}

before(async () => {
  far = createServer((request, response) => {
    asked.push(decodeURIComponent(request.url!));
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    const [status, body] = answer(pathname, searchParams);
    response.writeHead(status, { 'Content-Type': 'application/fhir+json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
  const TERMINOLOGY_URL = `http://127.0.0.1:${(far.address() as AddressInfo).port}/r4`;
  // Both are in this process: what it does meanwhile is no fault of the other one.
  server = await startTestServer({ TERMINOLOGY_URL, TERMINOLOGY_TIMEOUT_MS: '60000' });
  call = createClient(server.fhirBaseUrl);
  for (const [id, url] of Object.entries({ stub: STUB, lost: 'http://far.example.org/lost' })) {
    const stub = { resourceType: 'CodeSystem', id, url, status: 'active', content: 'not-present' };
    assert.equal((await call('PUT', `CodeSystem/${id}`, stub)).status, 201);
  }
});
after(async () => {
  await server.stop();
  far.closeAllConnections();
  far.close();
});
beforeEach(() => {
  asked = [];
});

const get = (path: string): Promise<Reply> => call('GET', path);

describe('a code system that is stored without its codes', () => {
  test('is asked for where they are', async () => {
    for (const [code, valid] of [
      ['ok', true],
      ['bad', false],
    ] as const) {
      assert.equal(value(await get(`CodeSystem/$validate-code?url=${STUB}&code=${code}`), 'result'), valid);
      assert.equal(value(await get(`CodeSystem/stub/$validate-code?code=${code}`), 'result'), valid);
    }
    const reply = await get(`CodeSystem/$lookup?system=${STUB}&code=ok`);
    assert.deepEqual([value(reply, 'display'), value(reply, 'version')], ['Fine', 'R1']);
  });

  test('is as if it were not known where nobody has them', async () => {
    const url = 'http://far.example.org/lost';
    const text = `Of CodeSystem '${url}' no codes are here (its content is 'not-present')`;
    const reply = await get(`CodeSystem/$validate-code?url=${url}&code=ok`);
    assert.equal(value(reply, 'result'), false);
    assert.equal(value(reply, 'message'), `${text}, so the code cannot be validated`);
    assert.equal(value(reply, 'x-unknown-system'), url);
    const pattern = new RegExp(text.replace(/[().']/g, '.'));
    assertRefused(await get(`CodeSystem/$lookup?system=${url}&code=ok`), 404, 'not-found', pattern);
    assertRefused(await get(`CodeSystem/$subsumes?system=${url}&codeA=ok&codeB=ok`), 404, 'not-found', pattern);
  });
});

describe('a value set that only the other server knows', () => {
  test('is validated against there, with nothing sent but codes', async () => {
    const coded = `ValueSet/$validate-code?url=${SET}|2&system=${FAR}`;
    assert.equal(value(await get(`${coded}&code=ok`), 'result'), true);
    assert.deepEqual(asked, [`/r4/ValueSet/$validate-code?url=${SET}&valueSetVersion=2&code=ok&system=${FAR}`]);
    assert.equal(value(await get(`${coded}&code=bad`), 'message'), 'far');
    const valueCodeableConcept = {
      text: 'of somebody',
      coding: [
        { system: FAR, code: 'x' },
        { system: FAR, code: 'ok' },
      ],
    };
    const reply = await call(
      'POST',
      'ValueSet/$validate-code',
      posted({ name: 'url', valueUri: SET }, { name: 'codeableConcept', valueCodeableConcept }),
    );
    assert.equal(value(reply, 'result'), true);
    assert.ok(asked.every((each) => !each.includes('somebody')));
  });

  test('is expanded there', async () => {
    const reply = await get(`ValueSet/$expand?url=${SET}&filter=fi&count=5&property=a&property=b`);
    assert.deepEqual([reply.status, reply.json.expansion], [200, expansion]);
    assert.deepEqual(asked, [`/r4/ValueSet/$expand?filter=fi&count=5&property=a&property=b&url=${SET}`]);
  });

  test('or not at all', async () => {
    const text = /A definition for the value Set 'http:\/\/nobody' could not be found/;
    assertRefused(await get('ValueSet/$expand?url=http://nobody'), 404, 'not-found', text);
    assertRefused(await get(`ValueSet/$validate-code?url=http://nobody&system=${FAR}&code=ok`), 404, 'not-found', text);
  });
});

describe('a code that the other server does not tell us of', () => {
  const shut = { system: FAR, code: 'shut' };
  const here = { system: 'http://unitsofmeasure.org', code: 'mg' };
  const concept = (...coding: object[]) => ({ name: 'codeableConcept', valueCodeableConcept: { coding } });
  const compose = { include: [{ system: here.system, concept: [{ code: here.code }] }] };
  const units = {
    name: 'valueSet',
    resource: { resourceType: 'ValueSet', url: 'urn:units', status: 'active', compose },
  };

  test('is no hindrance beside one that is valid', async () => {
    const inSet = (...coding: object[]) => call('POST', 'ValueSet/$validate-code', posted(units, concept(...coding)));
    const inSystem = (...coding: object[]) => call('POST', 'CodeSystem/$validate-code', posted(concept(...coding)));
    for (const judged of [inSet, inSystem]) {
      const both = await judged(shut, here);
      assert.deepEqual([value(both, 'result'), value(both, 'code')], [true, 'mg'], both.text);
      assert.match(String(value(both, 'message')), /no answer of use: status 403/);
      assert.equal((await judged(shut)).status, 503);
    }
  });

  test('is one of many in a batch', async () => {
    const validation = (code: string) => ({
      name: 'validation',
      resource: posted({ name: 'url', valueUri: FAR }, { name: 'code', valueCode: code }),
    });
    const reply = await call(
      'POST',
      'CodeSystem/$batch-validate-code',
      posted(validation('shut'), validation('ok'), validation('bad')),
    );
    assert.equal(reply.status, 200, reply.text);
    const answers = (reply.json.parameter as { resource: { resourceType: string; parameter?: object[] } }[]).map(
      ({ resource }) => resource.parameter?.[0] ?? resource.resourceType,
    );
    const results = [true, false].map((valueBoolean) => ({ name: 'result', valueBoolean }));
    assert.deepEqual(answers, ['OperationOutcome', ...results]);
  });
});

test('what this server made up is not asked of others', async () => {
  const reply = await get('CodeSystem/$validate-code?url=urn:cerebra:validation&code=x');
  assert.equal(value(reply, 'result'), false);
  await get('ValueSet/$expand?url=urn:cerebra:validation');
  const tag = [{ system: 'urn:cerebra:validation', code: 'x' }];
  assert.equal((await call('POST', 'Patient/$validate', { resourceType: 'Patient', meta: { tag } })).status, 200);
  assert.deepEqual(asked, []);
});
