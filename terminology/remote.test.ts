// Another terminology server as a fallback: https://hl7.org/fhir/R4/terminology-service.html
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import { createRemoteClient } from './remote-client.ts';
import { createRemote, type Remote } from './remote-system.ts';
import { type CodeSystems, createCodeSystems } from './systems.ts';
import { createTerminologyPort } from './terminology-port.ts';
import { testCanonicals } from './testing.ts';
import { createValueSets, NO_RULES } from './value-sets.ts';

type Reply = { status: number; body?: object; location?: string; delayed?: boolean };

let server: Server;
let url: string;
let asked: string[] = [];
let answer: (path: string, query: URLSearchParams) => Reply = () => ({ status: 500 });
let nowMs = 0;
let remote: Remote;
let db: Db;

before(async () => {
  db = await testDatabase();
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    asked.push(decodeURIComponent(request.url!));
    const { status, body, location, delayed } = answer(pathname, searchParams);
    if (delayed) return; // closed with the server
    response.writeHead(status, { 'Content-Type': 'application/fhir+json', ...(location && { Location: location }) });
    response.end(body && JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/r4`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
  nowMs = 0;
  remote = createRemote(createRemoteClient({ url, timeoutMs: 60_000, log: testLog(), now: () => nowMs }));
});

const CS = 'http://far.example.org/cs';
const bundle = (...versions: string[]) => ({
  resourceType: 'Bundle',
  entry: versions.map((version) => ({ resource: { resourceType: 'CodeSystem', url: CS, version, name: 'Far' } })),
});
const parameters = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });
const property = (code: string, value: object) => ({
  name: 'property',
  part: [
    { name: 'code', valueCode: code },
    { name: 'value', ...value },
  ],
});

/** A server with one system of one code. */
function good(path: string, query: URLSearchParams): Reply {
  if (path === '/r4/CodeSystem') return { status: 200, body: query.get('url') === CS ? bundle('1', '2') : bundle() };
  if (path === '/r4/CodeSystem/$lookup') {
    if (query.get('code') !== 'a') return { status: 404, body: { resourceType: 'OperationOutcome' } };
    const designation = {
      name: 'designation',
      part: [
        { name: 'language', valueCode: 'de' },
        { name: 'value', valueString: 'Ah' },
      ],
    };
    return {
      status: 200,
      body: parameters(
        { name: 'display', valueString: 'A' },
        designation,
        property('inactive', { valueBoolean: true }),
        property('parent', { valueCode: 'root' }),
        property('strength', { valueDecimal: 1.5 }),
      ),
    };
  }
  if (path === '/r4/CodeSystem/$subsumes')
    return { status: 200, body: parameters({ name: 'outcome', valueCode: 'subsumes' }) };
  const result = query.get('code') === 'a';
  return {
    status: 200,
    body: parameters({ name: 'result', valueBoolean: result }, { name: 'message', valueString: 'no' }),
  };
}

describe('a system of the other server', () => {
  test('is asked for codes, each once', async () => {
    answer = good;
    const system = await remote.system(CS, undefined);
    assert.equal(system?.about.version, '2');
    const described = await system.described('a');
    assert.deepEqual(described, {
      concept: { n: -1, code: 'a', inactive: true, display: 'A', abstract: false },
      details: {
        designations: [{ language: 'de', value: 'Ah' }],
        properties: [{ code: 'strength', type: 'decimal', value: '1.5' }],
        parents: [{ code: 'root' }],
        children: [],
      },
    });
    assert.deepEqual(await system.concept('a'), described?.concept);
    assert.equal(await system.concept('b'), undefined);
    assert.equal(await system.concept('b'), undefined);
    assert.equal(await system.relation(described!.concept, { ...described!.concept, code: 'c' }), 'subsumes');
    assert.deepEqual(asked.slice(1), [
      `/r4/CodeSystem/$lookup?system=${CS}&version=2&code=a`,
      `/r4/CodeSystem/$lookup?system=${CS}&version=2&code=b`,
      `/r4/CodeSystem/$subsumes?system=${CS}&version=2&codeA=a&codeB=c`,
    ]);
    await assert.rejects(system.relatives(described!.concept, 'below', 10), { code: 'unsupported' });
  });

  test('by version; none that it does not have', async () => {
    answer = good;
    assert.equal((await remote.system(CS, '1'))?.about.version, '1');
    assert.equal(await remote.system(CS, '3'), undefined);
    assert.equal(await remote.system('http://nobody', undefined), undefined);
  });

  test('is found where none is known here', async () => {
    answer = good;
    const systems = createCodeSystems({ db, canonicals: testCanonicals([]), remote });
    assert.equal((await systems.find(CS, undefined, { scope: { kind: 'everything' } }))?.about.name, 'Far');
    assert.equal(await systems.find(CS, undefined, { scope: { kind: 'nothing' } }), undefined);
  });
});

describe('a system that a request only describes', () => {
  const hollow = { resourceType: 'CodeSystem', url: CS, version: '9', content: 'not-present', name: 'Given' };
  const asker = { scope: { kind: 'everything' }, resources: [hollow as unknown as Resource] } as const;
  const found = async (systems: CodeSystems) => (await systems.find(CS, undefined, asker))?.about.name;

  test('is asked for there, as one that nobody knows here', async () => {
    answer = good;
    const systems = createCodeSystems({ db, canonicals: testCanonicals([]), remote });
    const system = await systems.find(CS, undefined, asker);
    assert.deepEqual([system?.about.name, (await system?.concept('a'))?.display], ['Far', 'A']);
    assert.equal(await systems.find(CS, '9', asker).then((each) => each?.about.name), 'Given');
    assert.ok(asked.every((each) => !each.includes('Given')));
  });

  test('is the one that is known here', async () => {
    const here = { ...hollow, content: 'complete', name: 'Here', concept: [{ code: 'b' }] } as unknown as Resource;
    const systems = createCodeSystems({ db, canonicals: testCanonicals([here]), remote });
    assert.equal(await found(systems), 'Here');
    assert.deepEqual(asked, []);
  });

  test('is a description and no more where nobody has its codes', async () => {
    const there: [string, Reply][] = [
      ['knows it not', { status: 200, body: bundle() }],
      ['is away', { status: 503 }],
    ];
    for (const [name, reply] of there) {
      answer = () => reply;
      const systems = createCodeSystems({ db, canonicals: testCanonicals([]), remote });
      assert.equal(await found(systems), 'Given', name);
    }
    assert.equal(await found(createCodeSystems({ db, canonicals: testCanonicals([]) })), 'Given');
    const stranger = createCodeSystems({ db, canonicals: testCanonicals([]), remote });
    const name = (await stranger.find(CS, undefined, { ...asker, scope: { kind: 'nothing' } }))?.about.name;
    assert.equal(name, 'Given');
  });
});

test('a value set that is locked at a date is not made of a later version from there', async () => {
  const of = (date: string): Reply => ({
    status: 200,
    body: {
      resourceType: 'Bundle',
      entry: [{ resource: { resourceType: 'CodeSystem', url: CS, version: '2', date } }],
    },
  });
  const canonicals = testCanonicals([]);
  const compose = (systems: CodeSystems) =>
    createValueSets({ canonicals, systems }).composeResource(
      {
        resourceType: 'ValueSet',
        url: 'http://vs',
        compose: { lockedDate: '2020-01-01', include: [{ system: CS }] },
      } as unknown as Resource,
      { asker: { scope: { kind: 'everything' } }, versions: NO_RULES, supplements: [] },
    );
  answer = () => of('2019-01-01');
  const { include } = await compose(createCodeSystems({ db, canonicals, remote }));
  assert.equal(include[0]?.set.version, '2');
  nowMs = 600_000;
  answer = () => of('2021-01-01');
  await assert.rejects(compose(createCodeSystems({ db, canonicals, remote })), /no version of .* is known/);
});

test('value sets that are not known here are asked there', async () => {
  answer = good;
  const canonicals = testCanonicals([]);
  const systems = createCodeSystems({ db, canonicals });
  const valueSets = createValueSets({ canonicals, systems });
  const port = createTerminologyPort({ systems, valueSets, reader: { read: async () => undefined }, remote });
  const codes = ['a', 'b'].map((code) => ({ system: CS, code, valueSet: 'http://far/vs|1' }));
  const verdicts = await port.validateCodes(codes, { db, scope: { kind: 'everything' } });
  assert.deepEqual(verdicts, [{ result: 'valid' }, { result: 'invalid', message: 'no' }]);
  assert.equal(asked[0], `/r4/ValueSet/$validate-code?url=http://far/vs&valueSetVersion=1&code=a&system=${CS}`);
});

test('a server that goes away between two questions leaves codes untold, not resources unwritten', async () => {
  const canonicals = testCanonicals([]);
  const systems = createCodeSystems({ db, canonicals, remote });
  const port = createTerminologyPort({
    ...{ systems, valueSets: createValueSets({ canonicals, systems }), remote },
    reader: { read: async () => undefined },
  });
  answer = good;
  assert.ok(await remote.system(CS, undefined));
  answer = () => ({ status: 503 });
  const [verdict] = await port.validateCodes([{ system: CS, code: 'a' }], { db, scope: { kind: 'everything' } });
  assert.equal(verdict?.result, 'unknown');
  assert.match(verdict?.message ?? '', /does not answer/);
});

describe('a server that is', () => {
  const member = () => remote.member('http://far/vs', { system: CS, code: 'a' });
  const cases: [string, Reply][] = [
    ['out of order', { status: 503 }],
    ['sending elsewhere', { status: 302, location: 'http://127.0.0.1:1/' }],
    ['answering nonsense', { status: 200, body: [1] as never }],
    ['too talkative', { status: 200, body: { resourceType: 'Parameters', text: 'x'.repeat(1_100_000) } }],
  ];
  for (const [name, reply] of cases) {
    test(`${name} counts as one that does not know, and rests`, async () => {
      answer = () => reply;
      assert.equal(await member(), undefined);
      assert.equal(await member(), undefined);
      assert.equal(asked.length, 1);
      nowMs = 10_000;
      answer = good;
      assert.deepEqual(await member(), { result: 'valid' });
    });
  }

  test('at fault over one address is asked for others', async () => {
    const faults: Reply[] = [
      { status: 302, location: 'http://127.0.0.1:1/' },
      { status: 500 },
      { status: 200, body: [1] as never },
      { status: 200, body: { resourceType: 'Parameters', text: 'x'.repeat(1_100_000) } },
    ];
    for (const [i, fault] of faults.entries()) {
      answer = (path, query) => (query.get('code') === `bad${i}` ? fault : good(path, query));
      assert.equal(await remote.member('http://far/vs', { system: CS, code: `bad${i}` }), undefined);
      assert.deepEqual(await remote.member('http://far/vs', { system: CS, code: 'a' }), { result: 'valid' });
    }
    const code = (offset: string) => remote.valueSet('$expand', { url: 'http://far/vs', offset });
    answer = () => faults[3]!;
    await assert.rejects(code('0'), { code: 'too-costly', message: /in parts with count and offset/ });
    answer = () => ({ status: 503 });
    assert.equal(await code('1'), undefined);
  });

  test('closed to us leaves codes untold: that is not to say that there are none such', async () => {
    for (const status of [401, 403, 405]) {
      nowMs += 600_000;
      answer = good;
      const system = (await remote.system(CS, undefined))!;
      answer = () => ({ status, body: { resourceType: 'OperationOutcome' } });
      await assert.rejects(system.concept('a'), { code: 'unavailable' }, String(status));
    }
    answer = good;
    nowMs += 10_000;
    assert.equal((await (await remote.system(CS, undefined))!.concept('a'))?.display, 'A');
  });

  test('asked much at once is asked for all of it', async () => {
    answer = good;
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, (_, i) => remote.member(`http://far/vs|${i}`, { system: CS, code: 'a' })),
    );
    assert.deepEqual(
      verdicts,
      Array.from({ length: 50 }, () => ({ result: 'valid' })),
    );
    assert.equal(asked.length, 50);
  });

  test('going away while much waits is not asked for the rest', async () => {
    answer = () => ({ status: 503 });
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, (_, i) => remote.member(`http://far/vs|${i}`, { system: CS, code: 'a' })),
    );
    assert.deepEqual(new Set(verdicts), new Set([undefined]));
    assert.ok(asked.length <= 16, String(asked.length));
  });

  test('slow is not waited for by what is far behind', async () => {
    answer = (path, query) => {
      nowMs += 2_000;
      return good(path, query);
    };
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, (_, i) => remote.member(`http://far/vs|${i}`, { system: CS, code: 'a' })),
    );
    // Nobody begins after the 15th, which is when 30 s are over, but 16 may be under way by then.
    assert.ok(asked.length >= 16 && asked.length <= 32, String(asked.length));
    assert.equal(verdicts.filter((verdict) => verdict?.result === 'valid').length, asked.length);
    assert.equal(verdicts.filter((verdict) => verdict === undefined).length, 50 - asked.length);
  });

  test('silent is not waited for', async () => {
    answer = () => ({ status: 200, delayed: true });
    const impatient = createRemote(createRemoteClient({ url, timeoutMs: 50, log: testLog(), now: () => nowMs }));
    assert.equal(await impatient.member('http://far/vs', { system: CS, code: 'a' }), undefined);
  });

  test('right is asked again after ten minutes', async () => {
    answer = good;
    await member();
    await member();
    assert.equal(asked.length, 1);
    nowMs = 600_000;
    await member();
    assert.equal(asked.length, 2);
  });
});
