// Random transactions, each compared with what a plain model of them comes to: https://hl7.org/fhir/R4/http.html#trules
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '#platform/testing';
import { type EntryIn, jsonPatch } from './bundle-entries.ts';
import { entries, linkOf, type Reply } from './client.ts';
import { serveTests } from './server.ts';
import { criteriaOf, type Expected, expect, type Held, named, type Step, type Store } from './transaction-model.ts';

const fhir = serveTests();

const next = random(20_261_122);
const one = <T>(values: readonly T[]): T => values[next(values.length)]!;

const KEYS = Array.from({ length: 12 }, (_, i) => `k${i}`);
const IDS = Array.from({ length: 10 }, (_, i) => `p${i}`);
const KINDS: Step['kind'][] = [
  ...(['post', 'postIfNone', 'postIfNone', 'put', 'put', 'putWhere', 'putWhere', 'patch'] as const),
  ...(['delete', 'deleteWhere', 'deleteWhere', 'observe', 'observe', 'observe'] as const),
];

let marks = 0;

function subject(urls: readonly string[]): Step['subject'] {
  const kind = next(10);
  if (kind < 5) return { url: one(urls) };
  return kind < 8 ? { key: one(KEYS) } : { id: one(IDS) };
}

function steps(): Step[] {
  const urls = Array.from(
    { length: 1 + next(6) },
    () => `urn:uuid:${String(++marks).padStart(8, '0')}-0000-4000-8000-0000000000aa`,
  );
  const kinds = urls.map(() => one(KINDS));
  return urls.map((fullUrl, i) => ({
    ...{ kind: kinds[i]!, key: one(KEYS), id: one(IDS), fullUrl, mark: `m${++marks}` },
    subject: subject(urls),
  }));
}

const referenceOf = (to: Step['subject']): string => {
  if ('url' in to) return to.url;
  return 'key' in to ? `Patient?${criteriaOf(to.key)}` : `Patient/${to.id}`;
};

function entryOf({ kind, key, id, fullUrl, mark, subject: to }: Step): EntryIn {
  const criteria = criteriaOf(key);
  const identifier = [{ system: 'urn:model', value: key }];
  const patient = { resourceType: 'Patient', identifier, name: [{ family: mark }] };
  const code = { text: mark };
  const observation = { resourceType: 'Observation', status: 'final', code, subject: { reference: referenceOf(to) } };
  const patched = jsonPatch([{ op: 'replace', path: '/name/0/family', value: mark }]);
  const request: Record<Step['kind'], EntryIn> = {
    post: { resource: patient, request: { method: 'POST', url: 'Patient' } },
    postIfNone: { resource: patient, request: { method: 'POST', url: 'Patient', ifNoneExist: criteria } },
    put: { resource: { ...patient, id }, request: { method: 'PUT', url: `Patient/${id}` } },
    putWhere: { resource: patient, request: { method: 'PUT', url: `Patient?${criteria}` } },
    patch: { resource: patched, request: { method: 'PATCH', url: `Patient/${id}` } },
    delete: { request: { method: 'DELETE', url: `Patient/${id}` } },
    deleteWhere: { request: { method: 'DELETE', url: `Patient?${criteria}` } },
    observe: { resource: observation, request: { method: 'POST', url: 'Observation' } },
  };
  return { fullUrl, ...request[kind] };
}

/** The ids of what is new, as the answer tells them. */
function idsIn(reply: Reply, { deeds }: Expected): Map<string, string> {
  const list = entries(reply);
  const fresh = [...deeds].filter(([, { isNew }]) => isNew);
  return new Map(fresh.map(([index, { name }]) => [name, list[index]!.response!.location!.split('/_history/')[0]!]));
}

interface Shown {
  resourceType: string;
  id: string;
  meta: { versionId: string };
  name?: { family: string }[];
  code?: { text: string };
  identifier?: { value: string }[];
  subject?: { reference: string };
}

/** Pages of a search or history, to the last. */
async function walk(path: string) {
  const found = [];
  for (let url: string | undefined = path; url !== undefined; ) {
    const reply: Reply = await fhir('GET', url);
    assert.equal(reply.status, 200, reply.text.slice(0, 300));
    found.push(...entries(reply));
    url = linkOf(reply, 'next');
  }
  return found;
}

async function stored(): Promise<Record<string, object>> {
  const all = await walk('?_type=Patient,Observation&_count=300');
  return Object.fromEntries(
    all.map(({ resource }) => {
      const { resourceType, id, meta, name, code, identifier, subject: to } = resource as unknown as Shown;
      const mark = name?.[0]?.family ?? code?.text;
      return [`${resourceType}/${id}`, [Number(meta.versionId), mark, identifier?.[0]?.value, to?.reference]];
    }),
  );
}

const present = (store: Store): Record<string, object> =>
  Object.fromEntries(
    [...store]
      .filter(([, { gone }]) => !gone)
      .map(([name, { version, mark, key, subject: to }]: [string, Held]) => [name, [version, mark, key, to]]),
  );

const OPS: Record<string, string> = { POST: 'c', PUT: 'u', DELETE: 'd' };

test('300 random transactions come to what the model comes to, or are refused and do nothing', async () => {
  let store: Store = new Map();
  const writes: string[] = [];
  const counts = { done: 0, refused: 0 };
  for (let round = 0; round < 300; round++) {
    const list = steps();
    const expected = expect(store, list);
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry: list.map(entryOf) };
    const reply = await fhir('POST', '', bundle);
    const told = () => `round ${round}: ${JSON.stringify(bundle.entry)} → ${reply.text}`;
    if (expected.refusals.size > 0) {
      assert.ok(expected.refusals.has(reply.status), `${[...expected.refusals]} in ${told()}`);
      counts.refused++;
    } else {
      assert.equal(reply.status, 200, told());
      const statuses = entries(reply).map(({ response }) => Number.parseInt(response!.status, 10));
      assert.deepEqual(
        statuses,
        list.map((_, index) => expected.deeds.get(index)!.status),
        told(),
      );
      const done = named(expected, idsIn(reply, expected));
      store = done.store;
      writes.push(...done.writes);
      counts.done++;
    }
    if (round % 20 === 19 || expected.refusals.size === 0) assert.deepEqual(await stored(), present(store), told());
  }
  assert.ok(counts.done > 80 && counts.refused > 80, JSON.stringify(counts));
  const history = (await walk('_history?_count=50')).map(({ request, response, fullUrl }) => {
    const name = fullUrl!.slice(fhir.base.length + 1);
    const version = /\d+/.exec(response!.etag!)![0];
    const op = version === '1' ? 'c' : OPS[request!.method];
    return `${name}@${version} ${op}`;
  });
  assert.deepEqual(history.sort(), writes.sort());
});
