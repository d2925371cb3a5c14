import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type AdminRoute, CerebraError, createMetrics, type Db, type Log, openApi, systemClock } from '#platform';
import { testDatabase, testLog, waitFor } from '#platform/testing';
import { createHl7Engine, type Hl7Engine } from '../index.ts';
import { createMemoryWriter, type MemoryWriter } from '../testing/memory-writer.ts';

type Json = Record<string, unknown>;

interface Asked {
  query?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

interface Rig {
  db: Db;
  writer: MemoryWriter;
  engine: Hl7Engine;
  /** What was logged, as JSON texts. */
  lines: string[];
  /** `GET /admin/hl7/messages/1/parsed`; an error's status and message where it is refused. */
  call(endpoint: string, asked?: Asked): Promise<{ status: number; body: Json }>;
}

/** The route of a path, with its parameters. */
function find(routes: readonly AdminRoute[], method: string, path: string) {
  for (const route of routes) {
    const form = new RegExp(`^${route.path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
    const match = route.method === method ? form.exec(path) : null;
    if (match) return { route, params: { ...match.groups } };
  }
  throw new Error(`no route ${method} ${path}`);
}

async function rig(t: TestContext): Promise<Rig> {
  const db = await testDatabase(t);
  const writer = createMemoryWriter(db);
  const lines: string[] = [];
  const quiet = testLog();
  const log = new Proxy(quiet, {
    get: (target, name) =>
      name === 'info' ? (...parts: unknown[]) => lines.push(JSON.stringify(parts)) : Reflect.get(target, name),
  }) as Log;
  const scope = { kind: 'everything' } as const;
  const engine = createHl7Engine({ db, writer, scope, log, metrics: createMetrics(), clock: systemClock });
  const call: Rig['call'] = async (endpoint, { query = '', body, headers } = {}) => {
    const [method = '', path = ''] = endpoint.split(' ');
    const { route, params } = find(engine.adminRoutes, method, path);
    const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body));
    try {
      const answer = await route.handle({
        ...{ params, body: bytes, query: new URLSearchParams(query) },
        ...(headers === undefined ? {} : { headers }),
      });
      return { status: answer.status, body: JSON.parse(JSON.stringify(answer.body)) };
    } catch (error) {
      if (!(error instanceof CerebraError)) throw error;
      return { status: error.status, body: { error: error.message } };
    }
  };
  return { db, writer, engine, lines, call };
}

const oru = (id: string, { patient = '777', order = id, name = 'DOE^JANE' } = {}): Buffer =>
  Buffer.from(
    [
      `MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000||ORU^R01^ORU_R01|${id}|P|2.5.1`,
      `PID|1||${patient}^^^HOSP&1.2.3&ISO^MR~888^^^OTHER||${name}||""`,
      `OBR|1||${order}^LAB|24323-8^Panel^LN|||20260131080000||||||||||||||||||F`,
      'OBX|1|NM|2823-3^Potassium^LN||5.10|mmol/L^^UCUM|3.5-5.1|N|||F',
    ].join('\r'),
  );

const controlIds = (body: Json): unknown[] => (body.messages as Json[]).map(({ controlId }) => controlId);

test('search: conditions together, pages, and what is wrong with a condition', async (t) => {
  const { engine, call } = await rig(t);
  for (const id of ['A', 'B', 'C']) await engine.process(oru(id));
  await engine.process(Buffer.from('MSH|^~\\&|ADM|EAST|||||ZZZ^Z01|D|P|2.5'));
  const messages = 'GET /admin/hl7/messages';
  const first = await call(messages, { query: 'limit=2&text=potassium&type=ORU&patientId=777%5E%5E%5EHOSP' });
  assert.deepEqual(controlIds(first.body), ['C', 'B']);
  const rest = await call(messages, { query: `limit=2&text=potassium&after=${first.body.next}` });
  assert.deepEqual([controlIds(rest.body), rest.body.next], [['A'], undefined]);
  assert.deepEqual(controlIds((await call(messages, { query: 'state=failed&sender=ADM' })).body), ['D']);
  assert.deepEqual(controlIds((await call(messages, { query: 'to=2020-01-01T00:00:00Z' })).body), []);
  const wrong: [string, RegExp][] = [
    ['limit=0', /limit is 1 to 1000/],
    ['limit=2000', /limit is 1 to 1000/],
    ['state=odd', /state: .*received.*filtered/],
    ['from=yesterday', /from: is no date/],
    ['from=1', /from: is no date/],
    ['text=-', /text: has no letter or digit/],
    ['warnings=perhaps', /warnings: /],
    ['after=x', /after is the number/],
    ['patient=1', /patient is no parameter here; there are from, .*patientId/],
    ['type=A&type=B', /type is given twice/],
    [`text=${'x'.repeat(301)}`, /text: /],
  ];
  for (const [query, error] of wrong) {
    const answer = await call(messages, { query });
    assert.equal(answer.status, 400, query);
    assert.match(String(answer.body.error), error);
  }
});

test('one message: bytes, text, acknowledgment, attempts, what it wrote; who looked is logged, what was seen is not', async (t) => {
  const { engine, call, lines } = await rig(t);
  const ack = await engine.process(oru('A', { name: 'M\u00dcLLER^JANE' }));
  const headers = { 'x-forwarded-user': 'kim' };
  const { body } = await call('GET /admin/hl7/messages/1', { headers });
  assert.ok(Buffer.from(String(body.raw), 'base64').equals(oru('A', { name: 'M\u00dcLLER^JANE' })));
  assert.equal(String(body.text).split('\n')[1], 'PID|1||777^^^HOSP&1.2.3&ISO^MR~888^^^OTHER||M\u00dcLLER^JANE||""');
  assert.ok(Buffer.from(String(body.ack), 'base64').equals(ack));
  const [attempt, ...others] = body.attemptHistory as Json[];
  assert.deepEqual([attempt!.number, attempt!.state, others], [1, body.state, []]);
  assert.ok(((attempt!.timingsUs as Json).map as number) > 0);
  assert.deepEqual([body.reviews, body.outbound], [[], []]);
  const { body: written } = await call('GET /admin/hl7/messages/1/written');
  const wrote = written.wrote as Json[];
  assert.deepEqual(wrote.map(({ type }) => type).slice(0, 2), ['Patient', 'Observation']);
  assert.equal(wrote[0]!.url, `/fhir/R4/${wrote[0]!.reference}`);
  const seen = lines.filter((line) => line.includes('"audit"'));
  assert.deepEqual(
    seen.map((line) => (JSON.parse(line) as Json[])[0]),
    [
      { audit: 'hl7-message', who: 'kim', journalId: '1', what: 'whole' },
      { audit: 'hl7-message', who: 'unknown', journalId: '1', what: 'written' },
    ],
  );
  assert.ok(lines.every((line) => !/JANE|777/.test(line)));
});

interface Node {
  path: string;
  name?: string;
  value?: string;
  isNull?: boolean;
  parts?: Node[];
}

test('the parsed tree has what was sent, with the names of its version', async (t) => {
  const { engine, call } = await rig(t);
  await engine.process(oru('A'));
  const { body } = await call('GET /admin/hl7/messages/1/parsed');
  const [msh, pid] = body.segments as { segment: string; fields: Node[] }[];
  const field = (of: { fields: Node[] }, path: string) => of.fields.find((one) => one.path === path);
  assert.deepEqual([body.version, msh!.segment, pid!.segment], ['2.5.1', 'MSH', 'PID']);
  assert.equal(field(msh!, 'MSH-2')?.value, '^~\\&');
  const list = field(pid!, 'PID-3');
  assert.equal(list?.name, 'Patient Identifier List');
  assert.deepEqual(list?.parts?.[0], {
    path: 'PID-3[1]',
    parts: [
      { path: 'PID-3[1].1', value: '777' },
      {
        path: 'PID-3[1].4',
        parts: [
          { path: 'PID-3[1].4.1', value: 'HOSP' },
          { path: 'PID-3[1].4.2', value: '1.2.3' },
          { path: 'PID-3[1].4.3', value: 'ISO' },
        ],
      },
      { path: 'PID-3[1].5', value: 'MR' },
    ],
  });
  assert.equal(field(pid!, 'PID-7')?.isNull, true);
  assert.equal(field(pid!, 'PID-4'), undefined);
});

test('bytes that are no message, and one of a million parts, are shown as far as they can be', async (t) => {
  const { engine, call } = await rig(t);
  await engine.process(Buffer.from('GET / HTTP/1.1\u0000\u0001'));
  const { body } = await call('GET /admin/hl7/messages/1');
  assert.equal(body.text, 'GET / HTTP/1.1\u2400\u2401');
  assert.match(String((await call('GET /admin/hl7/messages/1/parsed')).body.error), /no HL7 v2 message/);
  await engine.process(Buffer.from(`MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5\rPID|1||${'1^2~'.repeat(500_000)}`));
  const { body: tree } = await call('GET /admin/hl7/messages/2/parsed');
  assert.equal(tree.cut, true);
  assert.ok(JSON.stringify(tree).length < 5_000_000);
});

test('mapped: what the routes as they are now would make of it, and nothing is stored', async (t) => {
  const { engine, call, writer } = await rig(t);
  await engine.process(oru('A'));
  const before = writer.resources.size;
  const { status, body } = await call('GET /admin/hl7/messages/1/mapped');
  assert.equal(status, 200);
  const entries = (body.bundle as { entry: { resource: { resourceType: string } }[] }).entry;
  assert.ok(entries.some(({ resource }) => resource.resourceType === 'Observation'));
  assert.equal(writer.resources.size, before);
});

test('dead letters: listed, processed again, resolved with a comment', async (t) => {
  const { engine, call, writer } = await rig(t);
  writer.failures.push(new CerebraError('unavailable', 'away'), new CerebraError('unavailable', 'away'));
  await engine.process(oru('A'));
  await engine.process(oru('B'));
  const letters = 'GET /admin/hl7/dead-letters';
  const list = async (query = '') =>
    ((await call(letters, { query })).body.deadLetters as Json[]).map(({ controlId }) => controlId);
  assert.deepEqual(await list(), ['B', 'A']);
  const again = await call('POST /admin/hl7/messages/1/reprocess', { body: { author: 'kim' } });
  assert.deepEqual([again.body.state, again.body.attemptedBy], ['stored', 'kim']);
  assert.deepEqual(await list(), ['B']);
  const resolve = 'POST /admin/hl7/dead-letters/2/resolve';
  assert.equal((await call(resolve, { body: { author: 'kim' } })).status, 400);
  assert.match(String((await call(resolve, { body: { author: 'kim', comment: ' ' } })).body.error), /comment: why/);
  assert.equal((await call(resolve, { body: { author: 'kim', comment: 'by phone' } })).status, 200);
  assert.equal((await call(resolve, { body: { author: 'kim', comment: 'by phone' } })).status, 404);
  assert.deepEqual([await list(), await list('state=resolved'), await list('state=all&limit=1')], [[], ['B'], ['B']]);
  assert.equal((await call(letters, { query: 'state=odd' })).status, 400);
  const unknown = await call(letters, { query: 'type=ORU&limit=5' });
  assert.equal(unknown.status, 400);
  assert.match(String(unknown.body.error), /type is no parameter here; there are state, limit, after/);
});

test('reviews: an open one is listed by kind and resolved once', async (t) => {
  const { db, engine, call } = await rig(t);
  await engine.process(oru('A'));
  await db.query({
    text: `insert into hl7_review (message, kind, text, concerns, created_at) values (1, 'identity', 'Two', '{Patient/1}', now())`,
  });
  const reviews = async (query: string) =>
    ((await call('GET /admin/hl7/reviews', { query })).body.reviews as Json[]).length;
  assert.deepEqual([await reviews(''), await reviews('kind=merge'), await reviews('kind=identity')], [1, 0, 1]);
  assert.equal((await call('GET /admin/hl7/reviews', { query: 'kind=x' })).status, 400);
  assert.equal((await call('GET /admin/hl7/reviews', { query: 'message=1' })).status, 400);
  const asked = { body: { author: 'kim', comment: 'the same person' } };
  const { body } = await call('POST /admin/hl7/reviews/1/resolve', asked);
  assert.deepEqual([body.state, (body.resolution as Json).author], ['resolved', 'kim']);
  assert.equal((await call('POST /admin/hl7/reviews/1/resolve', asked)).status, 409);
  assert.equal((await call('POST /admin/hl7/reviews/9/resolve', asked)).status, 404);
});

test('a run over a search: begun, watched to its end, and what it can no longer be told', async (t) => {
  const { engine, call, writer } = await rig(t);
  for (const id of ['A', 'B', 'C']) {
    writer.failures.push(new CerebraError('unavailable', 'away'));
    await engine.process(oru(id));
  }
  const runs = '/admin/hl7/reprocess-runs';
  for (const body of [
    { filter: {}, author: 'kim' },
    { filter: { odd: 1 }, author: 'kim' },
    { filter: { state: 'failed' } },
    { filter: { controlId: 'a\u0000b' }, author: 'kim' },
    {},
  ]) {
    assert.equal((await call(`POST ${runs}`, { body })).status, 400, JSON.stringify(body));
  }
  const begun = await call(`POST ${runs}`, { body: { filter: { state: 'failed', text: 'potassium' }, author: 'kim' } });
  assert.deepEqual([begun.status, begun.body.requestedBy], [202, 'kim']);
  const path = `${runs}/${begun.body.id}`;
  const run = await waitFor(async () => {
    const { body } = await call(`GET ${path}`);
    return body.status === 'done' ? body : undefined;
  }, 'the end of the run');
  assert.deepEqual([run.total, run.done, run.remaining, run.failures, run.failed], [3, 3, 0, 0, []]);
  assert.equal(writer.all('Observation').length, 3);
  assert.equal((await call(`POST ${path}/cancel`)).status, 422);
  assert.equal((await call(`GET ${runs}/x`)).status, 404);
  assert.deepEqual(
    ((await call(`GET ${runs}`)).body.runs as Json[]).map(({ id }) => id),
    [begun.body.id],
  );
});

test('every endpoint of the journal is described, with the shape of its answer', async (t) => {
  const { engine } = await rig(t);
  const ours = engine.adminRoutes.filter(({ path }) =>
    /^\/admin\/hl7\/(messages|dead-letters|reviews|reprocess-runs)/.test(path),
  );
  assert.equal(ours.length, 16);
  for (const route of ours) {
    assert.ok(route.response, route.path);
    if (route.method === 'POST' && !/(pause|resume|cancel)$/.test(route.path))
      assert.ok(route.request?.example, route.path);
  }
  const { paths } = openApi(engine.adminRoutes) as { paths: Record<string, { get?: { parameters: Json[] } }> };
  const parameters = paths['/admin/hl7/messages']!.get!.parameters;
  assert.ok(parameters.every(({ description, example }) => description !== undefined && example !== undefined));
  assert.equal(parameters.length, 14);
});
