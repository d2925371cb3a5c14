// What is told of a server has one ETag, whichever of its processes tells: https://hl7.org/fhir/R4/http.html#capabilities
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import { createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';
import { metadata } from './metadata.ts';
import type { FhirRequest } from './request.ts';
import { routes } from './routes.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

const asked = (mode: string, headers: Record<string, string> = {}): FhirRequest =>
  ({ pairs: [['mode', mode]], queryString: `mode=${mode}`, strict: false, req: { headers } }) as unknown as FhirRequest;

async function tagged(mode: string, day: string, change: object = {}) {
  const core = { ...(await testCore(db, { now: () => Date.parse(day) })), ...change };
  const answer = await metadata(core, asked(mode), routes);
  const { date } = JSON.parse(String(answer.body)) as { date: string };
  return { core, date, tag: answer.headers!.ETag! };
}

test('the time when a process was first asked does not change it, what is offered does', async () => {
  for (const mode of ['full', 'normative']) {
    const one = await tagged(mode, '2026-01-31T12:00:00Z');
    const other = await tagged(mode, '2026-02-01T12:00:00Z');
    assert.notEqual(one.date, other.date);
    assert.equal(one.tag, other.tag);
    for (const known of [one.tag, '*', ` ${one.tag.slice(2)}`, `"1", ${one.tag}`]) {
      const again = await metadata(other.core, asked(mode, { 'if-none-match': known }), routes);
      assert.deepEqual([again.status, again.body, again.headers], [304, undefined, { ETag: one.tag }], known);
    }
    for (const known of ['', '"*"', one.tag.slice(3, -1), '"1"']) {
      const again = await metadata(other.core, asked(mode, { 'if-none-match': known }), routes);
      assert.equal(again.status, 200, known);
    }
    const changed = await tagged(mode, '2026-01-31T12:00:00Z', { softwareVersion: '9' });
    assert.notEqual(changed.tag, one.tag);
  }
});

test('of a code system that is loaded and stored all versions are told, the latest first', async () => {
  const core = await testCore(db);
  const uri = 'http://example.org/both';
  const stored = ['1', '3'].map((version) => ({
    ...{ resourceType: 'CodeSystem', id: `both-${version}`, url: uri, version },
    ...{ status: 'active', content: 'complete' },
  }));
  await createWriter(core).createIfAbsent(stored, { scope: everything });
  const release = { uri, version: [{ code: '2', isDefault: true, compositional: false }], subsumption: true };
  const describe = async () => ({ codeSystem: [release], codeSearch: 'all' });
  const loaded = { ...core, terminology: { ...core.terminology, describe } };
  const answer = await metadata(loaded, { ...asked('terminology'), scope: everything }, routes);
  const { codeSystem } = JSON.parse(String(answer.body)) as { codeSystem: { uri: string; version: unknown }[] };
  assert.deepEqual(
    codeSystem.find((one) => one.uri === uri)?.version,
    ['3', '2', '1'].map((code, i) => ({ code, isDefault: i === 0, compositional: false })),
  );
});
