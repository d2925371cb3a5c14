import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type TarPart, tarOf, tgzOf } from '../testing/tgz.ts';
import { readTgz, type TgzLimits } from './tgz.ts';

const limits: TgzLimits = { entriesMax: 100, fileBytesMax: 10_000, totalBytesMax: 1_000_000 };

/** In pieces of that size, as a socket would bring them. */
async function* pieces(bytes: Buffer, size = 97): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(packed: Buffer, some: Partial<TgzLimits> = {}): Promise<[string, string][]> {
  const files: [string, string][] = [];
  for await (const { name, content } of readTgz(pieces(packed), 'a.tgz', { ...limits, ...some }, () => true)) {
    files.push([name, content.toString()]);
  }
  return files;
}

const readParts = (parts: readonly TarPart[], some?: Partial<TgzLimits>) => read(tgzOf(parts), some);

test('files in order, however the bytes come; folders and links are passed over', async () => {
  const files = await readParts([
    { name: 'package/', kind: '5' },
    { name: './package/a.json', content: '{}' },
    { name: 'package/link', kind: '2' },
    { name: 'package/empty' },
    { name: 'package/b', content: 'ü'.repeat(700) },
  ]);
  assert.deepEqual(files, [
    ['package/a.json', '{}'],
    ['package/empty', ''],
    ['package/b', 'ü'.repeat(700)],
  ]);
});

test('long names: prefix of ustar, GNU tar, pax', async () => {
  const long = `package/${'x'.repeat(200)}.json`;
  const record = `path=${long}\n`;
  const length = record.length + 4;
  const files = await readParts([
    { name: 'a.json', prefix: 'package/other', content: '1' },
    { name: '././@LongLink', kind: 'L', content: `${long}\0` },
    { name: 'cut', content: '2' },
    { name: 'pax', kind: 'x', content: `${length} ${record}` },
    { name: 'cut', content: '3' },
    { name: 'after', content: '4' },
  ]);
  assert.deepEqual(files, [
    ['package/other/a.json', '1'],
    [long, '2'],
    [long, '3'],
    ['after', '4'],
  ]);
});

test('what is not wanted is not kept; reading may end early', async () => {
  const packed = tgzOf([
    { name: 'a', content: 'a'.repeat(9000) },
    { name: 'b', content: 'b' },
    { name: 'c', content: 'c' },
  ]);
  const some = { ...limits, fileBytesMax: 10 };
  for await (const { name } of readTgz(pieces(packed), 'a.tgz', some, (wanted) => wanted !== 'a')) {
    assert.equal(name, 'b');
    break;
  }
});

test('paths that lead out are refused', async () => {
  for (const name of ['../x', 'package/../../x', '/etc/x', 'C:/x', 'package\\..\\x', './/x', 'a/..']) {
    await assert.rejects(readParts([{ name, content: 'x' }]), { code: 'invalid' }, name);
  }
});

test('limits end it', async () => {
  const many = Array.from({ length: 5 }, (_, i) => ({ name: `f${i}`, content: 'x' }));
  await assert.rejects(readParts(many, { entriesMax: 4 }), { code: 'too-large', message: /more than 4 entries/ });
  const large = [{ name: 'large', content: 'x'.repeat(101) }];
  await assert.rejects(readParts(large, { fileBytesMax: 100 }), {
    code: 'too-large',
    message: /large has more than 100/,
  });
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  assert.ok(bomb.length < 100_000);
  const inflated = [{ name: 'zeros', content: Buffer.alloc(2_000_000) }];
  await assert.rejects(readParts(inflated, { fileBytesMax: 3_000_000 }), { code: 'too-large', message: /1000000/ });
});

test('damage is told as such', async () => {
  const whole = tgzOf([{ name: 'a', content: 'abc'.repeat(500) }]);
  await assert.rejects(read(whole.subarray(0, whole.length - 20)), { code: 'invalid' });
  await assert.rejects(read(Buffer.from('no gzip at all')), { code: 'invalid', message: /not a gzip file/ });
  await assert.rejects(read(Buffer.alloc(0)), { code: 'invalid' });
  await assert.rejects(read(gzipSync(Buffer.alloc(600, 'x'))), { code: 'invalid', message: /not a tar archive/ });
  const short = gzipSync(tarOf([{ name: 'a', size: 700 }]).subarray(0, 512));
  await assert.rejects(read(short), { code: 'invalid', message: /cut off/ });
  const flipped = tarOf([{ name: 'a', content: 'x' }]);
  flipped[3] = 0x41;
  await assert.rejects(read(gzipSync(flipped)), { code: 'invalid' });
  for (const content of ['x path=a\n', '99 path=a\n', '0 a=b\n', 'nothing']) {
    await assert.rejects(readParts([{ name: 'pax', kind: 'x', content }, { name: 'a' }]), { code: 'invalid' }, content);
  }
  const longer = { name: 'pax', kind: 'x', content: 'x'.repeat(70_000) };
  await assert.rejects(readParts([longer], { fileBytesMax: 100_000 }), { code: 'invalid', message: /longer than any/ });
});

test('a source that fails, fails', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield gzipSync(Buffer.alloc(100)).subarray(0, 15);
    throw new Error('the disk is gone');
  }
  const files = readTgz(broken(), 'a.tgz', limits, () => true);
  await assert.rejects(files.next(), { message: 'the disk is gone' });
});
