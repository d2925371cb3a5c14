// CodeSystem resources of any size, in all their forms.
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { JsonObject } from '#fhir-model';
import { CerebraError, type Db, isCerebraError } from '#platform';
import { random, testDatabase, tgzOf } from '#platform/testing';
import { activeSystems } from '../tables.ts';
import { STORED_CONCEPTS_MAX } from './code-system.ts';
import { type ConceptEvents, streamConcepts } from './concept-stream.ts';
import { dump, load, systemsThere, testFolder, writeFiles } from './testing/rig.ts';

let db: Db;

before(async () => {
  db = await testDatabase();
});

const fileOf = (text: string | Buffer, pieceBytes: number) => ({
  name: 'cs.json',
  bytes: text.length,
  mark: async () => '',
  async *read() {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  },
});

interface Streamed {
  members: JsonObject;
  concepts: [JsonObject, number | undefined][];
  late: number;
}

async function stream(text: string | Buffer, pieceBytes = 7): Promise<Streamed> {
  const members: string[] = [];
  const found: Streamed = { members: {}, concepts: [], late: 0 };
  const events: ConceptEvents = {
    member: (json) => void members.push(json),
    concept: (element, within) => void found.concepts.push([element, within]),
    late: () => void found.late++,
  };
  await streamConcepts(fileOf(text, pieceBytes), events, async () => undefined);
  found.members = JSON.parse(`{${members.join(',')}}`) as JsonObject;
  return found;
}

/** What streaming yields, put together of the whole. */
function walked(resource: JsonObject): [JsonObject, number | undefined][] {
  const all: [JsonObject, number | undefined][] = [];
  const walk = (list: JsonObject[], within: number | undefined): void => {
    for (const { concept, ...own } of list) {
      const n = all.push([own, within]) - 1;
      if (Array.isArray(concept)) walk(concept as JsonObject[], n);
    }
  };
  walk((resource.concept ?? []) as JsonObject[], undefined);
  return all;
}

/** Invented texts with all that JSON has to escape. */
const texts = ['plain', 'with "quotes"', 'back\\slash\\\\', 'ünïcødé 𝄞', 'a "concept": [ in it', '{[}]', '\u0000\n\t'];

function randomSystem(next: () => number): JsonObject {
  const pick = () => texts[Math.floor(next() * texts.length)]!;
  let codes = 0;
  const concepts = (depth: number): JsonObject[] =>
    Array.from({ length: 1 + Math.floor(next() * 4) }, () => ({
      code: `c${codes++}`,
      display: pick(),
      ...(next() < 0.3 && { designation: [{ value: pick() }] }),
      ...(next() < 0.3 && { property: [{ code: 'p', valueDecimal: 1.5 }] }),
      ...(depth > 0 && next() < 0.5 && { concept: concepts(depth - 1) }),
    }));
  return { resourceType: 'CodeSystem', url: 'http://x', name: pick(), concept: concepts(4), copyright: pick() };
}

describe('a stream of concepts', () => {
  test('is what the whole resource has, in pieces of any size', async () => {
    const below = random(20_310_101);
    const next = (): number => below(1_000_000) / 1_000_000;
    for (let i = 0; i < 40; i++) {
      const resource = randomSystem(next);
      const text = JSON.stringify(resource, undefined, i % 3 === 0 ? 2 : undefined);
      const { concept: _concept, ...members } = resource;
      for (const pieceBytes of [1, 2 + Math.floor(next() * 40), 100_000]) {
        const streamed = await stream(text, pieceBytes);
        assert.deepEqual(streamed.concepts, walked(resource));
        assert.deepEqual([streamed.members, streamed.late], [members, 0]);
      }
    }
  });

  test('tells of members behind the nested list', async () => {
    const late = '{"concept":[{"code":"a","concept":[{"code":"b"}],"display":"A"}]}';
    assert.equal((await stream(late)).late, 1);
  });

  test('with any byte changed is refused or read, and never a hang', async () => {
    const text = JSON.stringify({
      url: 'x',
      concept: [{ code: 'a', concept: [{ code: 'b', display: '"\\' }] }, { code: 'c' }],
    });
    for (let at = 0; at < text.length; at++) {
      for (const change of [1, 0x20, 0x80]) {
        const bytes = Buffer.from(text);
        bytes[at]! ^= change;
        await stream(bytes, 9).catch((error) =>
          assert.ok(isCerebraError(error) || error instanceof SyntaxError, String(error)),
        );
      }
    }
  });

  test('takes a byte order mark', async () => {
    assert.deepEqual((await stream('\ufeff{"concept":[{"code":"a"}]}', 100)).concepts, [[{ code: 'a' }, undefined]]);
  });

  for (const [what, text, told] of [
    ['nothing', '', /the file ends too early/],
    ['an array', '[]', /expected a resource/],
    ['cut off', '{"concept":[{"code":"a"},{"co', /the file ends too early/],
    ['something behind it', '{"concept":[]} x', /something follows/],
    ['a concept that is a text', '{"concept":["a"]}', /expected a concept/],
    ['a concept that is no JSON', '{"concept":[{"code":a}]}', /at byte 13: Not JSON/],
    ['a name without quotes', '{concept:[]}', /expected the name of a member/],
    ['two concepts without a comma', '{"concept":[{"code":"a"} {"code":"b"}]}', /expected a comma/],
    ['two commas', '{"concept":[{"code":"a"},,{"code":"b"}]}', /expected a concept/],
    ['a comma at the end', '{"concept":[{"code":"a"},]}', /nothing follows the comma/],
    ['a comma at the start', '{,"concept":[]}', /expected the name of a member/],
    ['members without a comma', '{"url":"x" "name":"y"}', /expected a comma/],
    ['a name without a colon', '{"url" "x"}', /expected a colon/],
    ['a list behind a list', '{"concept":[{"code":"a"}]"concept":[]}', /expected a comma/],
    ['bytes that are not UTF-8', Buffer.from('{"concept":[{"code":"\xe9"}]}', 'latin1'), /not UTF-8/],
    ['a name with escapes', '{"concept":[{"code":"a","con\\u0063ept":[]}]}', /written with escapes/],
    ['nested without end', `{"concept":[${'{"code":"a","concept":['.repeat(2_000)}`, /nested deeper than 1000/],
  ] as const) {
    test(`refuses ${what}`, async () => {
      await assert.rejects(stream(text), (error) => isCerebraError(error, 'invalid-json') && told.test(error.message));
    });
  }
});

const URL = 'http://example.org/fhir/CodeSystem/bloops';
const COUNT = STORED_CONCEPTS_MAX + 10;

/** Concept 0 above 1 to 9, each above some thousand. */
function large(more: JsonObject = {}): JsonObject {
  const leaf = (n: number): JsonObject => ({ code: `c${n}`, display: `Bloop ${n}` });
  const below = (n: number): JsonObject[] =>
    Array.from({ length: Math.ceil((COUNT - 10 - (n - 1)) / 9) }, (_, i) => leaf(10 + (n - 1) + i * 9));
  const children = Array.from({ length: 9 }, (_, i) => ({ ...leaf(i + 1), concept: below(i + 1) }));
  return {
    ...{
      resourceType: 'CodeSystem',
      url: URL,
      version: '1',
      status: 'active',
      content: 'complete',
      caseSensitive: true,
    },
    property: [{ code: 'weight', type: 'decimal' }],
    concept: [{ ...leaf(0), property: [{ code: 'weight', valueDecimal: 'WEIGHT' }], concept: children }],
    ...more,
  };
}
const textOf = (resource: JsonObject): string => JSON.stringify(resource).replace('"WEIGHT"', '1.50');

describe('a large CodeSystem', () => {
  test('goes into the tables, parents before children, decimals as they are written', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'bloops.json.gz': gzipSync(textOf(large())) });
    const { told, systems, storedResources } = await load(db, path.join(folder, 'bloops.json.gz'));
    assert.deepEqual([told, storedResources], [[], []]);
    assert.deepEqual(systems, [{ url: URL, version: '1', concepts: COUNT, closure: 9 + 2 * (COUNT - 10) }]);
    const all = await dump(db, URL, '1');
    assert.deepEqual(Object.keys(all).slice(0, 4), ['c0', 'c1', 'c10', 'c19']);
    assert.deepEqual(all.c0, { display: 'Bloop 0', properties: ['weight=1.50'] });
    assert.deepEqual(all.c19, { display: 'Bloop 19', parents: ['c1'], ancestors: ['c0', 'c1'] });
    const system = (await activeSystems(db)).find(({ url, version }) => url === URL && version === '1')!;
    assert.deepEqual([system.about.concept, system.about.status], [undefined, 'active']);
  });

  test('may have its members in any order, or be in a Bundle', async (t) => {
    const folder = await testFolder(t);
    const { concept, ...head } = large({ version: '2' });
    const [root] = concept as JsonObject[];
    const { display, ...rest } = root!;
    await writeFiles(folder, {
      'late.json': textOf({ concept: [{ ...rest, display: display! }], ...head }),
      'bundle.json': textOf({
        resourceType: 'Bundle',
        type: 'collection',
        entry: [{ resource: large({ version: '3' }) }],
      }),
    });
    const { told, systems } = await load(db, folder);
    assert.deepEqual(told, []);
    assert.deepEqual(
      systems.map(({ version, concepts }) => [version, concepts]),
      [
        ['3', COUNT],
        ['2', COUNT],
      ],
    );
    assert.equal((await dump(db, URL, '2')).c0!.display, 'Bloop 0');
  });

  test('codes that come twice, concepts without one and unknown parents are told', async (t) => {
    const folder = await testFolder(t);
    const system = large({ version: '4' });
    (system.concept as JsonObject[]).push(
      { code: 'c1', display: 'again' },
      { display: 'no code' },
      { code: 'x'.repeat(2_001) },
      { code: ' d', concept: [{ code: 'd1' }] },
      { code: 'long', display: 'word '.repeat(200_000) },
      { code: 'z', property: [{ code: 'parent', valueCode: 'nobody' }] },
    );
    await writeFiles(folder, { 'x.json': textOf(system) });
    const { told } = await load(db, folder);
    assert.deepEqual(told, [
      `x.json: concept ${COUNT + 1} has the code 'c1', which is there already: it is left out`,
      `x.json: concept ${COUNT + 2} has no code: it is left out`,
      `x.json: concept ${COUNT + 3} has a code of more than 2000 bytes: it is left out`,
      `x.json: concept ${COUNT + 4} has ' d' as its code, which has white space where a code has none: it is left out`,
      `${path.basename(folder)}: a text of 1000000 characters is cut off at 65536`,
      `${path.basename(folder)}: the parent nobody of z is no concept of the system`,
    ]);
    const all = await dump(db, URL, '4');
    assert.deepEqual(all.d1, { display: null });
  });

  test('without a url is refused; of several files the others are loaded', async (t) => {
    const folder = await testFolder(t);
    const { url: _url, ...nameless } = large();
    await writeFiles(folder, { 'x.json': textOf(nameless), 'y.json': '{', 'z.json': '{"resourceType":"Patient"}' });
    await assert.rejects(load(db, path.join(folder, 'x.json')), (error) => isCerebraError(error, 'invalid'));
    await writeFiles(folder, { 'ok.json': textOf(large({ version: '5' })) });
    const there = await systemsThere(db);
    const { told, systems } = await load(db, folder);
    assert.deepEqual(told, [
      "x.json: the CodeSystem has no url: it can't be found by one",
      'y.json: at byte 2: the file ends too early',
      "z.json: the resource type is 'Patient': expected CodeSystem, or a Bundle of them",
    ]);
    assert.equal(systems.length, 1);
    assert.deepEqual(await systemsThere(db), { active: [...there.active, `${URL}|5`], others: 0 });
  });
});

const xml = `<CodeSystem xmlns="http://hl7.org/fhir"><url value="http://example.org/small"/><version value="1"/>
  <status value="active"/><content value="complete"/><concept><code value="a"/><concept><code value="b"/></concept></concept></CodeSystem>`;

describe('what is small', () => {
  test('is stored as a resource: from JSON, XML and packages', async (t) => {
    const folder = await testFolder(t);
    const small = { resourceType: 'CodeSystem', url: 'http://example.org/s', status: 'active', content: 'complete' };
    const map = { resourceType: 'ConceptMap', url: 'http://example.org/m', status: 'active' };
    await writeFiles(folder, {
      'small.json': JSON.stringify({ ...small, concept: [{ code: 'a' }] }),
      'small.xml': xml,
      'bundle.json': JSON.stringify({
        resourceType: 'Bundle',
        entry: [{ resource: map }, { resource: { resourceType: 'Patient' } }],
      }),
    });
    const { told, storedResources, stored, systems } = await load(db, folder);
    assert.deepEqual([told, systems], [[], []]);
    assert.deepEqual(
      storedResources.map(({ url }) => url),
      ['http://example.org/m', 'http://example.org/s', 'http://example.org/small'],
    );
    assert.equal(stored.created, 3);
  });

  test('comes in packages too, beside what is large; what else is in them is left', async (t) => {
    const folder = await testFolder(t);
    const part = (name: string, content: string) => ({ name: `package/${name}`, content });
    const archive = tgzOf([
      part('package.json', '{"name":"bloops","version":"1.0.0"}'),
      part('.index.json', '{}'),
      part('CodeSystem-large.json', textOf(large({ version: '6' }))),
      part('ValueSet-v.json', '{"resourceType":"ValueSet","url":"http://example.org/v","status":"active"}'),
      part('StructureDefinition-s.json', '{"resourceType":"StructureDefinition","url":"http://example.org/sd"}'),
      part('CodeSystem-bad.json', '{"resourceType":"CodeSystem","status":"active"}'),
      part('broken.json', '{"resourceType":'),
      part('example/CodeSystem-example.json', '{"resourceType":"CodeSystem","url":"http://example.org/no"}'),
    ]);
    await writeFiles(folder, { 'bloops.tgz': archive, 'cut.tgz': archive.subarray(0, 500) });
    const { told, storedResources, systems } = await load(db, path.join(folder, 'bloops.tgz'));
    assert.equal(told.length, 2);
    assert.equal(told[0], "CodeSystem-bad.json: the CodeSystem has no url: it can't be found by one");
    assert.match(told[1]!, /^broken\.json: Not JSON at line 1/);
    assert.deepEqual(
      storedResources.map(({ url }) => url),
      ['http://example.org/v'],
    );
    assert.deepEqual(
      systems.map(({ version }) => version),
      ['6'],
    );
    await assert.rejects(load(db, path.join(folder, 'cut.tgz')), (error) => isCerebraError(error, 'invalid'));
  });

  test('that can’t be stored is told', async (t) => {
    const folder = await testFolder(t);
    await writeFiles(folder, { 'small.xml': xml });
    const store = () => Promise.reject(new CerebraError('business-rule', 'not this one'));
    const { told, stored } = await load(db, folder, { store });
    assert.deepEqual(told, ['small.xml: CodeSystem http://example.org/small|1 is not stored: not this one']);
    assert.deepEqual(stored, { created: 0, updated: 0, present: 0 });
    const strict = load(db, path.join(folder, 'small.xml'), { store, strict: true });
    await assert.rejects(
      strict,
      (error) => isCerebraError(error, 'invalid') && /is not loaded: 1 fault/.test(error.message),
    );
  });
});
