// `cerebra load-terminology` from outside: its exit codes, its output, and what is there then.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { countOf, type Ground, ground, run } from './command.ts';

const URL = 'http://example.org/fhir/CodeSystem/bloops';
const codes = Array.from({ length: 11_000 }, (_, n) => ({ code: `c${n}`, display: `Bloop ${n}` }));
const large = { resourceType: 'CodeSystem', url: URL, version: '1', caseSensitive: true, concept: codes };
const small = {
  ...{ resourceType: 'CodeSystem', url: `${URL}-small`, version: '1', status: 'active', content: 'complete' },
  concept: [{ code: 'a' }],
};

const write = ({ folder }: Ground, name: string, content: unknown): Promise<void> =>
  writeFile(path.join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));

const activeSystems = async ({ db }: Ground): Promise<{ url: string; concepts: number }[]> =>
  db.query({ text: "select url, concepts from code_system where state = 'active' order by cs" });

describe('cerebra load-terminology', () => {
  test('loads large systems into tables and stores small ones as resources, once', async (t) => {
    const where = await ground(t);
    await write(where, 'large.json', large);
    await write(where, 'small.json', small);
    const { code, output } = await run(where, 'load-terminology', 'large.json', 'small.json');
    assert.equal(code, 0, output);
    assert.match(output, /^large\.json: read as codesystem$/m);
    assert.match(output, /bloops\|1: 11,000 concepts, 0 pairs of ancestor and descendant, in .* concepts\/s$/m);
    assert.match(output, /^Stored as resources: 1 created, 0 updated, 0 there already$/m);
    assert.deepEqual(await activeSystems(where), [{ url: URL, concepts: 11_000 }]);
    assert.equal(await countOf(where.db, 'r_codesystem'), 1);
    const again = await run(where, 'load-terminology', 'large.json', 'small.json');
    assert.equal(again.code, 0, again.output);
    assert.match(again.output, /bloops\|1: loaded already \(11,000 concepts\); --again loads it$/m);
    assert.match(again.output, /0 created, 0 updated, 1 there already$/m);
    const forced = await run(where, 'load-terminology', '--again', 'small.json');
    assert.match(forced.output, /0 created, 1 updated, 0 there already$/m);
    assert.equal(await countOf(where.db, 'r_codesystem'), 1);
  });

  test('knows a system without a version beside others of its URL that have one', async (t) => {
    const where = await ground(t);
    const { version: _version, ...bare } = small;
    const files = { 'one.json': small, 'bare.json': bare, 'two.json': { ...small, version: '2' } };
    for (const [name, content] of Object.entries(files)) {
      await write(where, name, content);
      const { output } = await run(where, 'load-terminology', name);
      assert.match(output, /1 created, 0 updated, 0 there already$/m);
    }
    const again = await run(where, 'load-terminology', 'bare.json');
    assert.match(again.output, /0 created, 0 updated, 1 there already$/m);
    const forced = await run(where, 'load-terminology', '--again', 'bare.json');
    assert.match(forced.output, /0 created, 1 updated, 0 there already$/m);
    assert.equal(await countOf(where.db, 'r_codesystem'), 3);
  });

  test('stores a NamingSystem, which has no url, once', async (t) => {
    const where = await ground(t);
    const naming = (value: string) => ({
      ...{ resourceType: 'NamingSystem', name: 'Bloops', status: 'active', kind: 'identifier', date: '2024-01-01' },
      uniqueId: [{ type: 'uri', value }],
    });
    await write(where, 'one.json', naming('http://example.org/ids/one,first'));
    await write(where, 'two.json', naming('http://example.org/ids/two'));
    const { code, output } = await run(where, 'load-terminology', 'one.json', 'two.json');
    assert.equal(code, 0, output);
    assert.equal(await countOf(where.db, 'r_namingsystem'), 2);
    const again = await run(where, 'load-terminology', 'one.json');
    assert.match(again.output, /0 created, 0 updated, 1 there already$/m);
    const forced = await run(where, 'load-terminology', '--again', 'two.json');
    assert.match(forced.output, /0 created, 1 updated, 0 there already$/m);
    assert.equal(await countOf(where.db, 'r_namingsystem'), 2);
  });

  test('tells what nothing tells from others, and leaves what is there as it is', async (t) => {
    const where = await ground(t);
    const set = { resourceType: 'ValueSet', url: `${URL}-set`, status: 'active', name: 'First' };
    await write(where, 'set.json', set);
    assert.equal((await run(where, 'load-terminology', 'set.json')).code, 0);
    const { url: _url, ...nameless } = { ...set, name: 'Other' };
    const naming = { resourceType: 'NamingSystem', name: 'N', status: 'active', kind: 'identifier', date: '2024' };
    const resources = [nameless, { ...set, version: 2 }, naming, { ...naming, uniqueId: [{ type: 'uri', value: 5 }] }];
    const entry = [...resources, { ...set, url: `${URL}-last` }].map((resource) => ({ resource }));
    await write(where, 'all.json', { resourceType: 'Bundle', type: 'collection', entry });
    const { code, output } = await run(where, 'load-terminology', '--again', 'all.json');
    assert.equal(code, 2, output);
    assert.match(output, /^all\.json: ValueSet .*is not stored: it has no url that is text/m);
    assert.match(output, /^all\.json: ValueSet .*is not stored: it has no version that is text/m);
    assert.match(output, /^all\.json: NamingSystem .*is not stored: it has no uniqueId\.value that is text/m);
    assert.match(output, /1 created, 0 updated, 0 there already$/m);
    const names = await where.db.query({ text: "select body::json ->> 'name' as name from r_valueset order by 1" });
    assert.deepEqual(names, [{ name: 'First' }, { name: 'First' }]);
  });

  test('tells what it leaves out and ends with 2, with --strict with 1 and nothing', async (t) => {
    const where = await ground(t);
    await write(where, 'large.json', { ...large, concept: [...codes, codes[7]] });
    const strict = await run(where, 'load-terminology', '--strict', 'large.json');
    assert.equal(strict.code, 1, strict.output);
    assert.match(strict.output, /bloops is not loaded: 1 fault, and --strict wants none/);
    assert.deepEqual(await activeSystems(where), []);
    const { code, output } = await run(where, 'load-terminology', 'large.json');
    assert.equal(code, 2, output);
    assert.match(output, /^large\.json: concept 11001 has the code 'c7', which is there already: it is left out$/m);
    assert.match(output, /^1 fault: what is named above was left out$/m);
    assert.deepEqual(await activeSystems(where), [{ url: URL, concepts: 11_000 }]);
  });

  test('does the same with a small system, which is stored as a resource', async (t) => {
    const where = await ground(t);
    const concept = [{ code: 'a' }, { code: 'a' }, { code: ' b' }, {}, { code: 'c', display: 5 }, { code: 'd' }];
    await write(where, 'small.json', { ...small, concept });
    const strict = await run(where, 'load-terminology', '--strict', 'small.json');
    assert.equal(strict.code, 1, strict.output);
    assert.match(strict.output, /CodeSystem .*bloops-small\|1 is not loaded: 3 faults, and --strict wants none/);
    assert.equal(await countOf(where.db, 'r_codesystem'), 0);
    const { code, output } = await run(where, 'load-terminology', 'small.json');
    assert.equal(code, 2, output);
    const told = output.split('\n').filter((line) => line.startsWith('small.json: '));
    assert.deepEqual(told.slice(1), [
      "small.json: concept 2 has the code 'a', which is there already: it is left out",
      "small.json: concept 3 has ' b' as its code, which has white space where a code has none: it is left out",
      'small.json: concept 4 has no code: it is left out',
      "small.json: the concept 'c' is refused: display: must be a string (string), found a number: it is left out",
    ]);
    assert.match(output, /^4 faults: what is named above was left out$/m);
    const [row] = await where.db.query<{ body: string }>({ text: 'select body from r_codesystem' });
    assert.deepEqual(JSON.parse(row!.body).concept, [{ code: 'a' }, { code: 'd' }]);
  });

  test('explains what it is told wrongly, and ends with 1', async (t) => {
    const where = await ground(t);
    await write(where, 'notes.txt', 'nothing');
    for (const [args, text] of [
      [['missing.zip'], /^The load stopped: missing\.zip: there is no such file or folder/m],
      [['notes.txt'], /^The load stopped: notes\.txt: no release that is known by its files/m],
      [['--format', 'loinc', 'notes.txt'], /^The load stopped: notes\.txt: the release has no Loinc\.csv/m],
      [['--format', 'bloops', 'notes.txt'], /--format bloops: allowed is rf2, loinc, rxnorm/],
      [[], /Which files\?/],
    ] as const) {
      const { code, output } = await run(where, 'load-terminology', ...args);
      assert.equal(code, 1, output);
      assert.match(output, text);
    }
    const help = await run(where, 'load-terminology', '--help');
    assert.equal(help.code, 0);
    assert.match(help.output, /^Usage: cerebra load-terminology/);
  });
});
