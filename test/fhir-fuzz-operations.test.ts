// Requests of the kinds that fhir-mutations has not, seeded and of fixed number: bodies of operations, GraphQL, Bundles of operations,
// XML, headers, page links, the admin API and HL7 over HTTP. Every answer is whole, nothing is logged as our error, and the server lives on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLog } from '#platform';
import { createClient, linkOf } from './client.ts';
import { assertEntriesAreWhole, assertNothingOfTheInside, assertOutcomeIsWhole, resourceOf } from './fuzz/answers.ts';
import { KNOWN } from './fuzz/calls.ts';
import { createChance } from './fuzz/chance.ts';
import { type Ground, makeOdd, type OddRequest } from './fuzz/odd.ts';
import type { Offer } from './fuzz/operators.ts';
import { makeAll } from './fuzz/resources.ts';
import { startTestServer, type TestServer } from './server.ts';
import { createWire, type WireReply } from './wire.ts';

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 2000);
const AT_ONCE = 8;
/** Nothing hangs: beyond the time of a search (test/server.ts), and what the slowest machine needs for one of these. */
const ANSWER_MS_MAX = 300_000;

const PAGED = [
  ...[
    'Patient?_count=1',
    'Patient?_sort=-birthdate,_id&_count=2',
    'Observation?_include=*&_count=2',
    '?_type=Patient,Observation&_count=3',
  ],
  ...[
    '_history?_count=1',
    'Patient/_history?_count=2',
    'Observation?_sort=code,-date&_count=2',
    'Patient?_sort=name&_total=accurate&_count=1',
  ],
];

let server: TestServer;
let send: ReturnType<typeof createWire>;
const ground: Ground = { admin: [], links: [] };
const errorLines: string[] = [];

interface OpenApi {
  paths: Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>;
}

function offersOf({ paths }: OpenApi): Offer[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [] }]) => ({
      method: method.toUpperCase(),
      path: path.replace(/\{(\w+)\}/g, ':$1'),
      query: parameters.filter((one) => one.in === 'query').map(({ name }) => name),
    })),
  );
}

before(async () => {
  const log = createLog({ level: 'error', destination: { write: (line: string) => errorLines.push(line) } });
  server = await startTestServer({ BODY_BYTES_MAX: '1000000', EXPUNGE: 'on' }, log);
  const { origin } = new URL(server.fhirBaseUrl);
  send = createWire(origin);
  const api = await fetch(`${origin}/admin/openapi.json`);
  ground.admin = offersOf((await api.json()) as OpenApi);
  const entry = [...makeAll(createChance(1)), ...KNOWN].map((resource) => {
    return { request: { method: 'PUT', url: `${String(resource.resourceType)}/${String(resource.id)}` }, resource };
  });
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
  const fhir = createClient(server.fhirBaseUrl);
  const reply = await fhir('POST', '', bundle);
  assert.equal(reply.status, 200, reply.text.slice(0, 1000));
  for (const path of PAGED) {
    const next = linkOf(await fhir('GET', path), 'next');
    assert.ok(next, path);
    ground.links.push(next.slice(server.fhirBaseUrl.length).replace(/^\//, ''));
  }
});
after(() => server.stop());

/** What only our fault could be is never answered; 501 is what there is not. */
const isFault = (status: number): boolean => status >= 500 && status !== 501;

function assertAdmin({ method, path }: OddRequest, { status, bytes, headers }: WireReply, what: string): void {
  if (status < 400 || method === 'HEAD' || !path.startsWith('/admin')) return;
  assert.match(headers['content-type'] ?? '', /^application\/json/, what);
  const { error } = JSON.parse(String(bytes)) as { error: { code: string; message: string } };
  assert.ok(error.code.length > 3 && error.message.length > 10, what);
}

async function assertFhir({ kind, path }: OddRequest, reply: WireReply, what: string): Promise<void> {
  // A Binary is whatever it is.
  if (reply.bytes.length === 0 || (path.startsWith('Binary') && reply.status < 300)) return;
  const resource = await resourceOf(reply, what);
  if (resource.errors !== undefined || resource.data !== undefined) {
    assert.ok(kind === 'graphql' || /graphql/.test(path), what);
    return;
  }
  if (reply.status >= 400) assertOutcomeIsWhole(resource, what);
  if (resource.resourceType === 'Bundle') assertEntriesAreWhole(resource, what);
}

async function assertAnswer(request: OddRequest, reply: WireReply): Promise<void> {
  const { method, path, headers, body = '' } = request;
  const what = `${method} ${path} ${JSON.stringify(headers)} ${body.slice(0, 1500)}\n→ ${reply.status} ${String(reply.bytes).slice(0, 600)}\n`;
  assert.ok(reply.status >= 200 && !isFault(reply.status), what);
  if (reply.headers['content-encoding'] !== undefined) return;
  if (reply.status >= 400) assertNothingOfTheInside(String(reply.bytes), decodeURIComponent(safe(path)) + body, what);
  if (path.startsWith('/')) assertAdmin(request, reply, what);
  else await assertFhir(request, reply, what);
}

/** Without what is no percent-encoding. */
const safe = (path: string): string => path.replace(/%(?![0-7][0-9a-f])/gi, '');

const targetOf = (path: string): string => {
  const target = path.replace(/[^\x21-\x7e]/g, (character) => encodeURIComponent(character.toWellFormed()));
  if (target.startsWith('/')) return target;
  const base = new URL(server.fhirBaseUrl).pathname;
  return target === '' || target.startsWith('?') ? `${base}${target}` : `${base}/${target}`;
};

async function attack(request: OddRequest): Promise<void> {
  const { method, path, headers, body } = request;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer: ${method} ${path} ${body?.slice(0, 1000)}`)), ANSWER_MS_MAX);
  });
  try {
    await assertAnswer(request, await Promise.race([send(method, targetOf(path), headers, body), late]));
  } finally {
    clearTimeout(timer);
  }
}

test(`${REQUESTS} requests of operations, GraphQL, XML, headers, links, operators and HL7`, async () => {
  const chance = createChance(Number(process.env.FUZZ_SEED ?? 20262));
  const requests = Array.from({ length: REQUESTS }, () => makeOdd(chance, ground));
  const attacker = async () => {
    for (let next = requests.shift(); next !== undefined; next = requests.shift()) await attack(next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, attacker));
  assert.deepEqual(errorLines, []);
  const health = await fetch(new URL('/healthz', server.fhirBaseUrl));
  assert.deepEqual(await health.json(), { status: 'ok' });
});
