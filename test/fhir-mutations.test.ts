// Valid requests with something changed, seeded and of fixed number: every answer is one of its class's statuses and FHIR,
// the server stays alive, and what it has stored is sound.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createXmlCodec, loadDefinitions, type Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { createClient } from './client.ts';
import { assertEntriesAreWhole, assertOutcomeIsWhole, resourceOf } from './fuzz/answers.ts';
import { type Chance, createChance } from './fuzz/chance.ts';
import { makeRequest } from './fuzz/requests.ts';
import { garble, makeAll, makeResource } from './fuzz/resources.ts';
import type { FuzzRequest } from './fuzz/shape.ts';
import { startTestServer, type TestServer } from './server.ts';
import { createWire, type WireReply } from './wire.ts';

const REQUESTS = 1600;
const AT_ONCE = 8;
/** Nothing hangs: far beyond what the slowest machine needs for one of these. */
const ANSWER_MS_MAX = 300_000;

const xml = createXmlCodec(await loadDefinitions());
let server: TestServer;
let send: ReturnType<typeof createWire>;

before(async () => {
  server = await startTestServer({ BODY_BYTES_MAX: '1000000' });
  send = createWire(server.fhirBaseUrl);
  const fhir = createClient(server.fhirBaseUrl);
  const entry = makeAll(createChance(1)).map((resource) => {
    return { request: { method: 'PUT', url: `${String(resource.resourceType)}/${String(resource.id)}` }, resource };
  });
  const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
  assert.equal(reply.status, 200, reply.text.slice(0, 1000));
});
after(() => server.stop());

async function assertAnswer(request: FuzzRequest, reply: WireReply): Promise<void> {
  const { method, path, headers, body = '' } = request;
  const what = `${method} ${path} ${JSON.stringify(headers)} ${body.slice(0, 1500)}\n→ ${reply.status} ${String(reply.bytes).slice(0, 600)}\n`;
  assert.ok(request.allowed.includes(reply.status), what);
  if (reply.bytes.length === 0 || reply.headers['content-encoding'] !== undefined) return;
  const resource = await resourceOf(reply, what);
  if (resource.errors !== undefined || resource.data !== undefined) return;
  if (reply.status >= 400) assertOutcomeIsWhole(resource, what);
  else assert.equal(typeof resource.resourceType, 'string', what);
  if (resource.resourceType === 'Bundle') assertEntriesAreWhole(resource, what);
}

function xmlRequest(chance: Chance): FuzzRequest {
  const tree = makeResource(chance);
  const text = xml.write(tree as unknown as Resource, false);
  return {
    method: 'PUT',
    path: `${String(tree.resourceType)}/${String(tree.id)}`,
    headers: { 'Content-Type': 'application/fhir+xml' },
    body: chance.once(2) ? garble(text, chance) : text,
    allowed: [200, 201, 400],
  };
}

async function attack(request: FuzzRequest): Promise<void> {
  const { method, path, headers, body } = request;
  const target = path.replace(/[^\x21-\x7e]/g, encodeURIComponent);
  const answer = send(method, target.startsWith('?') || target === '' ? target : `/${target}`, headers, body);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer: ${method} ${path} ${body?.slice(0, 1000)}`)), ANSWER_MS_MAX);
  });
  try {
    await assertAnswer(request, await Promise.race([answer, late]));
  } finally {
    clearTimeout(timer);
  }
}

test(`${REQUESTS} requests with something changed`, async () => {
  const chance = createChance(Number(process.env.FUZZ_SEED ?? 20261));
  const requests = Array.from({ length: REQUESTS }, () => (chance.once(12) ? xmlRequest(chance) : makeRequest(chance)));
  const attacker = async () => {
    for (let next = requests.shift(); next !== undefined; next = requests.shift()) await attack(next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, attacker));
  const health = await fetch(`${server.rootUrl}/healthz`);
  assert.deepEqual(await health.json(), { status: 'ok' });
});

test('what is stored is sound afterwards', async () => {
  const rows = await server.db.query<{ name: string; versions: number[]; current: number | null; op: string | null }>({
    text: `select t.name || '/' || v.id as name, array_agg(v.version order by v.version) as versions,
      max(v.version) filter (where v.current) as current, (array_agg(v.op order by v.version desc))[1] as op
      from (select type, id, version, true as current, null as op from resource
        union all select type, id, version, false, op from resource_history) v
      join resource_type t on t.code = v.type group by 1`,
  });
  assert.ok(rows.length > 30, `${rows.length} resources have been stored`);
  for (const { name, versions, current, op } of rows) {
    assert.deepEqual(
      versions,
      Array.from(versions, (_, i) => i + 1),
      `${name}: versions without a gap`,
    );
    assert.equal(current ?? versions.length, versions.length, `${name}: the current version is the last`);
    assert.equal(current === null, op === 'd', `${name}: a current version, or a tombstone`);
  }
  const fhir = createClient(server.fhirBaseUrl);
  const started = await fhir('POST', '$reindex', { resourceType: 'Parameters' });
  assert.equal(started.status, 202, started.text);
  const url = started.headers.get('Content-Location')!;
  const done = await waitFor(async () => {
    const state = await fhir('GET', url);
    return state.status === 200 && state;
  }, 'the reindexing');
  const parameters = done.json.parameter as unknown as { name: string; valueInteger?: number; valueCode?: string }[];
  const told = (name: string) => parameters.find((one) => one.name === name);
  assert.equal(told('changed')?.valueInteger ?? 0, 0, `index entries that were not right: ${done.text}`);
});
