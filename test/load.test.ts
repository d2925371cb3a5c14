// `cerebra load` from outside: its exit codes and output, and that kill -9 neither loses nor repeats anything.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { Db } from '#platform';
import { waitFor } from '#platform/testing';
import { generate } from '../bench/scale/generate.ts';
import { countOf, ground, run, start } from './command.ts';
import { checkStore } from './fault/checks.ts';
import { endThoseAtGate, gateReached, openGate, shutGate } from './fault/gate.ts';

/** Shut, no load comes to its end, however fast it is: it stops when it calls the last of its files finished. */
const shutAtEnd = async (db: Db): Promise<void> => {
  const text = `create function is_last_file(number integer) returns boolean stable language sql as
    'select not exists (select from load_file where finished is null and file <> number)'`;
  await db.query({ text });
  await shutGate(db, 'load_file', 'new.finished is not null and is_last_file(new.file)');
};

describe('cerebra load', () => {
  test('loads, tells what became of what, and ends with 0', async (t) => {
    const where = await ground(t);
    await generate(path.join(where.folder, 'in'), 400);
    const { code, output } = await run(where, 'load', 'in', '--threads', '2');
    assert.equal(code, 0, output);
    const stored = await countOf(where.db, 'resource');
    assert.ok(stored >= 400);
    assert.match(output, new RegExp(`^all +${stored} +0 +0$`, 'm'));
    assert.match(output, new RegExp(`12 files; ${stored} resources, .* resources/s`));
    await checkStore(where.db);
    const again = await run(where, 'load', 'in');
    assert.equal(again.code, 0);
    assert.match(again.output, /Patient\.ndjson: loaded already/);
    assert.equal(await countOf(where.db, 'resource'), stored);
  });

  test('tells file and line of what it refuses, writes it down, and ends with 2', async (t) => {
    const where = await ground(t);
    const lines = ['{"resourceType":"Patient","id":"a"}', '{"resourceType":"Patient","gender":"blue"}', 'no JSON'];
    await writeFile(path.join(where.folder, 'p.ndjson'), lines.join('\n'));
    const { code, output } = await run(where, 'load', 'p.ndjson', '--errors', 'bad.ndjson');
    assert.equal(code, 2, output);
    assert.match(output, /^p\.ndjson:2: Patient\.gender: 'blue' is not one of/m);
    assert.match(output, /^p\.ndjson:3: Not JSON at line 1, column 1/m);
    assert.match(output, /^2 resources refused$/m);
    const records = (await readFile(path.join(where.folder, 'bad.ndjson'), 'utf8')).trim().split('\n');
    const told = records.map((record) => JSON.parse(record) as Record<string, unknown>);
    assert.deepEqual(
      told.map(({ file, line, resources }) => ({ file, line, resources })),
      [
        { file: 'p.ndjson', line: 2, resources: 1 },
        { file: 'p.ndjson', line: 3, resources: 1 },
      ],
    );
    assert.equal(await countOf(where.db, 'r_patient'), 1);
  });

  test('killed and gone on with, it keeps what it had refused before', async (t) => {
    const where = await ground(t);
    const lines = ['{"resourceType":"Patient","id":"a"}', '{"resourceType":"Patient","gender":"blue"}'];
    await writeFile(path.join(where.folder, 'p.ndjson'), lines.join('\n'));
    const refused = async (): Promise<string[]> =>
      (await readFile(path.join(where.folder, 'bad.ndjson'), 'utf8')).trim().split('\n');
    await shutAtEnd(where.db);
    const { child, ended } = start(where, 'load', '.', '--errors', 'bad.ndjson');
    await gateReached(where.db);
    const before = await refused();
    assert.equal(before.length, 1);
    assert.match(before[0]!, /^\{"file":"p\.ndjson","line":2,/);
    child.kill('SIGKILL');
    await ended;
    await endThoseAtGate(where.db);
    await openGate(where.db);
    const { code, output } = await run(where, 'load', '.', '--errors', 'bad.ndjson');
    assert.equal(code, 2, output);
    assert.match(output, /^p\.ndjson: goes on after 1 resource, 1 refused$/m);
    assert.deepEqual(await refused(), before);
    const again = await run(where, 'load', '--again', '.', '--errors', 'bad.ndjson');
    assert.equal(again.code, 2, again.output);
    assert.deepEqual(await refused(), before);
  });

  test('what was refused of a file that was finished before a kill is in the exit code of the load that goes on', async (t) => {
    const where = await ground(t);
    await writeFile(path.join(where.folder, 'a.ndjson'), '{"resourceType":"Patient","gender":"blue"}');
    await writeFile(path.join(where.folder, 'p.ndjson'), '{"resourceType":"Patient","id":"a"}');
    const names = ['a.ndjson', 'p.ndjson'];
    await shutAtEnd(where.db);
    const { child, ended } = start(where, 'load', ...names);
    await gateReached(where.db);
    child.kill('SIGKILL');
    await ended;
    await endThoseAtGate(where.db);
    await openGate(where.db);
    const { code, output } = await run(where, 'load', ...names);
    assert.equal(code, 2, output);
    assert.match(output, /^a\.ndjson: loaded already \(0 resources, 1 refused\); --again/m);
    assert.match(output, /^p\.ndjson: goes on after 1 resource$/m);
    assert.equal((await run(where, 'load', ...names)).code, 2);
    assert.equal((await run(where, 'load', 'p.ndjson')).code, 0);
  });

  test('writes what it refuses into no file that it is to load', async (t) => {
    const where = await ground(t);
    const line = '{"resourceType":"Patient","id":"a"}';
    await writeFile(path.join(where.folder, 'p.ndjson'), line);
    const { code, output } = await run(where, 'load', '--again', 'p.ndjson', '--errors', './p.ndjson');
    assert.equal(code, 1, output);
    assert.match(output, /^The load stopped: p\.ndjson: is to be loaded, so --errors can't be written there$/m);
    assert.equal(await readFile(path.join(where.folder, 'p.ndjson'), 'utf8'), line);
  });

  test('goes on by the same *.ndjson, which names the file of what was refused before', async (t) => {
    const where = await ground(t);
    await writeFile(path.join(where.folder, 'p.ndjson'), '{"resourceType":"Patient","gender":"blue"}');
    await writeFile(path.join(where.folder, 'q.ndjson'), '{"resourceType":"Patient","id":"q"}');
    const load = (...more: string[]) => run(where, 'load', ...more, '--errors', 'bad.ndjson');
    assert.equal((await load('q.ndjson')).code, 0);
    assert.equal((await load('bad.ndjson', 'p.ndjson', 'q.ndjson')).code, 2);
    const refused = await readFile(path.join(where.folder, 'bad.ndjson'), 'utf8');
    const { code, output } = await load('bad.ndjson', 'p.ndjson', 'q.ndjson');
    assert.equal(code, 2, output);
    assert.doesNotMatch(output, /bad\.ndjson/);
    assert.equal(await readFile(path.join(where.folder, 'bad.ndjson'), 'utf8'), refused);
  });

  test('tells at once where it can not write down what it refuses', async (t) => {
    const where = await ground(t);
    await writeFile(path.join(where.folder, 'p.ndjson'), '{"resourceType":"Patient","id":"a"}');
    const { code, output } = await run(where, 'load', 'p.ndjson', '--errors', 'none/bad.ndjson');
    assert.equal(code, 1, output);
    assert.match(output, /^The load stopped: ENOENT: no such file or directory, open 'none\/bad\.ndjson'$/m);
    assert.equal(await countOf(where.db, 'r_patient'), 0);
  });

  test('explains what it is told wrongly, and ends with 1', async (t) => {
    const where = await ground(t);
    const { code, output } = await run(where, 'load', 'missing.ndjson');
    assert.equal(code, 1, output);
    assert.match(output, /^The load stopped: missing\.ndjson: there is no such file or folder/m);
    const help = await run(where, 'load', '--help');
    assert.equal(help.code, 0);
    assert.match(help.output, /^Usage: cerebra load/);
  });

  test('stops at SIGINT between two transactions with 130, and goes on from there', async (t) => {
    const where = await ground(t);
    const { resources } = await generate(path.join(where.folder, 'in'), 6000);
    await shutAtEnd(where.db);
    const { child, ended } = start(where, 'load', 'in');
    await waitFor(async () => (await countOf(where.db, 'resource')) >= 1000, 'some to be loaded');
    child.kill('SIGINT');
    await openGate(where.db);
    const first = await ended;
    assert.equal(first.code, 130, first.output);
    assert.match(first.output, /It was broken off: the same command goes on from here/);
    assert.ok((await countOf(where.db, 'resource')) < resources + 100);
    assert.equal((await run(where, 'load', 'in')).code, 0);
    const stored = await countOf(where.db, 'resource');
    assert.equal(await countOf(where.db, 'change'), stored);
    await checkStore(where.db);
  });

  test('killed half-way again and again, in the end everything is there once', async (t) => {
    const where = await ground(t);
    const input = path.join(where.folder, 'in');
    const { resources } = await generate(input, 8000);
    // Half of the Observations without an id: nothing but the record of what is done keeps these from coming twice.
    const file = path.join(input, 'Observation.ndjson');
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    const bare = lines.map((line, i) => (i % 2 === 0 ? line : line.replace(/"id":"[^"]*",/, '')));
    await writeFile(file, bare.join('\n'));
    const made = await countLines(input);
    await shutAtEnd(where.db);
    for (const share of [0.1, 0.3, 0.5]) {
      const { child, ended } = start(where, 'load', 'in');
      await waitFor(async () => (await countOf(where.db, 'resource')) >= resources * share, 'a share to be loaded');
      child.kill('SIGKILL');
      assert.equal((await ended).signal, 'SIGKILL');
      await endThoseAtGate(where.db);
    }
    await openGate(where.db);
    const last = await run(where, 'load', 'in');
    assert.equal(last.code, 0, last.output);
    assert.match(last.output, /: goes on after [\d,]+ resources/);
    assert.equal(await countOf(where.db, 'resource'), made);
    assert.equal(await countOf(where.db, 'r_observation'), lines.length);
    assert.deepEqual(await where.db.query({ text: 'select * from load_file where finished is null' }), []);
    await checkStore(where.db);
  });
});

async function countLines(folder: string): Promise<number> {
  const counts = (await readdir(folder)).map(async (name) => {
    const text = await readFile(path.join(folder, name), 'utf8');
    return text.split('\n').filter((line) => line !== '').length;
  });
  return (await Promise.all(counts)).reduce((sum, one) => sum + one, 0);
}
