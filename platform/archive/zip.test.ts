// ZIP archives, right and wrong ones.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { zipOf } from '#platform/testing';
import { isCerebraError } from '../errors.ts';
import { openZip, type ZipLimits } from './zip.ts';

let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'zip-'));
});

after(() => rm(folder, { recursive: true }));

const limits: ZipLimits = { entriesMax: 5, entryBytesMax: 3_000_000, totalBytesMax: 4_000_000 };
let files = 0;

async function withZip<T>(bytes: Buffer, use: (zip: Awaited<ReturnType<typeof openZip>>) => Promise<T>): Promise<T> {
  const file = path.join(folder, `${files++}.zip`);
  await writeFile(file, bytes);
  const zip = await openZip(file, 'a.zip', limits);
  try {
    return await use(zip);
  } finally {
    await zip.close();
  }
}

/** Names and contents of all entries. */
const contents = (bytes: Buffer): Promise<[string, string][]> =>
  withZip(bytes, async (zip) => {
    const all: [string, string][] = [];
    for (const entry of zip.entries) {
      all.push([entry.name, Buffer.concat(await Array.fromAsync(zip.read(entry))).toString()]);
    }
    return all;
  });

const large = 'a line of text, many times over\n'.repeat(60_000);
const parts = [
  { name: 'folder/', content: '', stored: true },
  { name: 'folder/größe.txt', content: 'packed' },
  { name: 'stored.txt', content: 'stored as it is', stored: true },
  { name: 'large.txt', content: large },
];
const expected = parts.map(({ name, content }) => [name, content]);

describe('an archive', () => {
  test('is read, packed or stored', async () => {
    assert.deepEqual(await contents(zipOf(parts)), expected);
  });

  test('may have a comment behind it', async () => {
    assert.deepEqual(await contents(zipOf(parts, { comment: 'for you' })), expected);
  });

  test('may be ZIP64', async () => {
    const wide = parts.map((part) => ({ ...part, wide: true }));
    assert.deepEqual(await contents(zipOf(wide, { wide: true })), expected);
  });

  test('tells how far it was read', async () => {
    await withZip(zipOf(parts), async (zip) => {
      const entry = zip.entries[3]!;
      let read = 0;
      for await (const _ of zip.read(entry, (bytes) => {
        read = bytes;
      }));
      assert.equal(entry.bytes, large.length);
      assert.equal(read, entry.packedBytes);
    });
  });

  test('need not be read to the end', async () => {
    await withZip(zipOf(parts), async (zip) => {
      for await (const piece of zip.read(zip.entries[3]!)) {
        assert.ok(piece.length > 0);
        break;
      }
    });
  });
});

describe('what is wrong is refused', () => {
  const whole = zipOf(parts);
  const cases: [string, Buffer, 'invalid' | 'too-large', RegExp][] = [
    ['nothing', Buffer.alloc(0), 'invalid', /a\.zip: it is not a ZIP archive, or it is cut off/],
    ['text', Buffer.from('no archive '.repeat(50)), 'invalid', /not a ZIP archive/],
    ['the first half', whole.subarray(0, whole.length / 2), 'invalid', /not a ZIP archive/],
    ['the second half', whole.subarray(whole.length / 2), 'invalid', /damaged|cut off/],
    ['a checksum', zipOf([{ name: 'x', content: 'abc', told: { crc: 1 } }]), 'invalid', /'x' is damaged: its checksum/],
    [
      'more than told',
      zipOf([{ name: 'x', content: large, told: { bytes: 10 } }]),
      'invalid',
      /more than the 10 bytes/,
    ],
    ['less than told', zipOf([{ name: 'x', content: 'abc', told: { bytes: 10 } }]), 'invalid', /unpacks to 3 bytes/],
    ['another method', zipOf([{ name: 'x', content: 'abc', told: { method: 12 } }]), 'invalid', /method 12/],
    ['a password', zipOf([{ name: 'x', content: 'abc', told: { flags: 1 } }]), 'invalid', /'x' is encrypted/],
    [
      'entries that share bytes',
      zipOf([
        { name: 'a', content: large },
        { name: 'b', content: large, told: { headerAt: 10 } },
      ]),
      'invalid',
      /'b' overlaps another entry/,
    ],
    ['a huge entry', zipOf([{ name: 'x', content: '', told: { bytes: 4_000_000 } }]), 'too-large', /x is larger/],
    [
      'much in all',
      zipOf([1, 2].map((n) => ({ name: `${n}`, content: '', told: { bytes: 2_500_000 } }))),
      'too-large',
      /the content is larger/,
    ],
    [
      'many entries',
      zipOf(Array.from({ length: 6 }, (_, n) => ({ name: `${n}`, content: '' }))),
      'too-large',
      /more than 5 entries/,
    ],
  ];
  for (const [what, bytes, code, text] of cases) {
    test(what, async () => {
      await assert.rejects(contents(bytes), (error) => isCerebraError(error, code) && text.test(error.message));
    });
  }

  test('any byte of it changed: refused or read, and never a hang', async () => {
    const small = zipOf(parts.slice(0, 3));
    for (let at = 0; at < small.length; at++) {
      const bytes = Buffer.from(small);
      bytes[at]! ^= 0xff;
      await contents(bytes).catch((error) => assert.ok(isCerebraError(error), `byte ${at}: ${error}`));
    }
  });
});
