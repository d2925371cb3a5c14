// COPY … FROM STDIN on a connection that pipelines.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testDatabase } from '#platform/testing';
import { sqlState } from './errors.ts';
import type { Db } from './types.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);

async function withTable(db: Db): Promise<void> {
  await db.query({ text: 'create table numbered (n int primary key, word text)' });
}

const all = { text: 'select n, word from numbered order by n' };

describe('Tx.copy', () => {
  it('stores rows, from several pieces that end anywhere, and yields their number', async (t) => {
    const db = await testDatabase(t);
    await withTable(db);
    const count = await db.tx((tx) =>
      tx.copy('copy numbered (n, word) from stdin', [bytes('1\tone\n2'), bytes('\tt\\two\\n\n3'), bytes('\t\\N\n')]),
    );
    assert.equal(count, 3);
    assert.deepEqual(await db.query(all), [
      { n: 1, word: 'one' },
      { n: 2, word: 't\two\n' },
      { n: 3, word: null },
    ]);
  });

  it('travels with the queries around it, in order', async (t) => {
    const db = await testDatabase(t);
    await withTable(db);
    const found = await db.tx(async (tx) => {
      const [, first, between, second, after] = await Promise.all([
        tx.query({ text: 'insert into numbered values (0, $1)' }, ['zero']),
        tx.copy('copy numbered from stdin', [bytes('1\tone\n')]),
        tx.query<{ n: bigint }>({ name: 'count_numbered', text: 'select count(*) as n from numbered' }),
        tx.copy('copy numbered from stdin', [bytes('2\ttwo\n3\tthree\n')]),
        tx.query<{ n: bigint }>({ name: 'count_numbered', text: 'select count(*) as n from numbered' }),
      ]);
      return [first, between[0]!.n, second, after[0]!.n];
    });
    assert.deepEqual(found, [1, 2n, 2, 4n]);
  });

  it('takes more than one message holds in the socket', async (t) => {
    const db = await testDatabase(t);
    await withTable(db);
    const rows = Array.from({ length: 50_000 }, (_, i) => `${i}\t${'x'.repeat(200)}\n`).join('');
    assert.equal(await db.tx((tx) => tx.copy('copy numbered from stdin', [bytes(rows)])), 50_000);
  });

  it('that fails half-way stores nothing, and the connection goes on', async (t) => {
    const db = await testDatabase(t);
    await withTable(db);
    for (const [text, data, state] of [
      ['copy numbered from stdin', '1\tone\n1\tagain\n', '23505'],
      ['copy numbered from stdin', '1\tone\nx\ttwo\n', '22P02'],
      ['copy nothing from stdin', '1\tone\n', '42P01'],
      ['copy numbered from stdin', '1\n', '22P04'],
    ] as const) {
      const failed = db.tx((tx) =>
        Promise.all([
          tx.copy(text, [bytes(data), bytes('7\tseven\n'.repeat(5000))]),
          tx.copy('copy numbered from stdin', [bytes('5\tfive\n')]),
          tx.query({ text: 'select 1' }),
        ]),
      );
      await assert.rejects(failed, (error) => sqlState(error) === state);
    }
    assert.deepEqual(await db.query(all), []);
    assert.equal(await db.tx((tx) => tx.copy('copy numbered from stdin', [bytes('1\tone\n')])), 1);
    assert.equal(await db.tx((tx) => tx.copy('copy numbered from stdin', [])), 0);
    assert.deepEqual(await db.query(all), [{ n: 1, word: 'one' }]);
  });
});
