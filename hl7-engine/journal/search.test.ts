import assert from 'node:assert/strict';
import test from 'node:test';
import { connectDb, type Db } from '#platform';
import { testConnection, testDatabase, testLog, waitFor } from '#platform/testing';
import { indexNext, settledNumber } from './index-blocks.ts';
import { createIndexer } from './indexer.ts';
import { createJournal, type Journal } from './journal.ts';
import { type Filter, type Search, searchMessages } from './search.ts';
import { patientNumbers, patientQueryHashes, queryWordHashes, queryWords, readTerms, termHash } from './terms.ts';

const pid = '777^^^HOSP&1.2.3&ISO^MR~888^^^OTHER^MR';

function oru({ id = 'M1', sender = 'LAB|NORTH', type = 'ORU^R01', patient = pid, note = '' } = {}): Buffer {
  return Buffer.from(
    [
      `MSH|^~\\&|${sender}|EHR|SOUTH|20260131120000||${type}|${id}|P|2.5.1`,
      `PID|1||${patient}||DOE^JANE`,
      `OBX|1|NM|2823-3^Potassium^LN||5.10|mmol/L`,
      `NTE|1||${note}`,
    ].join('\r'),
  );
}

async function receive(journal: Journal, raw: Buffer, header: { sender?: string; type?: string; id: string }) {
  const { sender = 'LAB|NORTH', type = 'ORU^R01', id } = header;
  return journal.receive(raw, { sender, type, controlId: id }, Date.UTC(2026, 0, 31), {
    kind: 'mllp',
    name: 'default',
  });
}

async function found(db: Db, filter: Filter, more: Partial<Search> = {}): Promise<string[]> {
  const { rows } = await searchMessages(db, { filter, order: 'newest', limit: 100, ...more });
  return rows.map(({ control_id }) => control_id);
}

test('words are whole runs and their parts; case, diacritics, escapes and character sets make no difference', () => {
  const words = (text: string) => readTerms(Buffer.from(text, 'utf8')).words;
  const note = oru({
    note: 'M\u00dcLLER, O\u2019Brien (24323-8) A\\T\\B x\\.br\\y \\X41\\lpha \\H\\bold\\N\\ 1.5mg/dL',
  });
  const found = readTerms(note).words;
  for (const word of [
    'muller',
    'o\u2019brien',
    'brien',
    '24323-8',
    '24323',
    '8',
    'a',
    'b',
    'x',
    'y',
    'alpha',
    'bold',
  ]) {
    assert.ok(found.has(word), word);
  }
  assert.ok(found.has('1.5mg/dl') && found.has('5mg') && found.has('dl'));
  const latin = Buffer.from(
    'MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5||||||8859/1\rPID|1||1||J\u00f6rg\rNTE|1||na\u00efve',
    'latin1',
  );
  assert.ok(readTerms(latin).words.has('jorg') && readTerms(latin).words.has('naive'));
  assert.deepEqual([...words('no HL7 at all: Caf\u00e9')].sort(), ['all', 'at', 'cafa', 'hl7', 'no']);
  assert.equal(words(`MSH|^~\\&|${'x'.repeat(65)}|${'QUJD'.repeat(1000)}|short`).has('short'), true);
  assert.equal(
    [...words(`MSH|^~\\&|${'x'.repeat(65)}`)].some((word) => word.length > 64),
    false,
  );
  assert.ok(words('MSH|^~\\&').size <= 1);
  assert.equal(readTerms(Buffer.alloc(0)).words.size, 0);
});

test('a query has the words of a message', () => {
  assert.deepEqual(queryWords('  M\u00fcller^ANNA "24323-8", & | '), ['muller', 'anna', '24323-8']);
  assert.deepEqual(queryWords('- , |'), []);
});

test('letters whose marks Unicode does not take apart are found in either form, indexed or not', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const indexer = createIndexer({ db, log: testLog() });
  const names = ['Strau\u00df S\u00f8rensen \u0141\u00f3d\u017a', 'STRAUSS SORENSEN LODZ'];
  for (const [at, note] of names.entries()) {
    await receive(journal, oru({ id: `M${at}`, note, patient: note.split(' ').at(-1)! }), { id: `M${at}` });
  }
  for (const step of ['direct', 'indexed']) {
    for (const text of [
      'strau\u00df',
      'STRAU\u1e9e',
      'strauss',
      'S\u00d8RENSEN',
      'sorensen',
      '\u0142\u00f3d\u017a',
      'lodz',
    ]) {
      assert.deepEqual(await found(db, { text }), ['M1', 'M0'], `${step} ${text}`);
    }
    for (const patientId of ['\u0141\u00d3D\u0179', 'lodz']) {
      assert.deepEqual(await found(db, { patientId }), ['M1', 'M0'], `${step} ${patientId}`);
    }
    await indexer.pass(1);
  }
  const hashes = (kind: 'word' | 'patient', ...words: string[]) => words.map((word) => termHash(kind, word));
  assert.deepEqual(queryWordHashes('Jane Strau\u00df'), [
    hashes('word', 'jane'),
    hashes('word', 'strauss', 'strau\u00df'),
  ]);
  assert.deepEqual(patientQueryHashes('\u00d81'), hashes('patient', 'o1', '\u00f81'));
});

test('patients: PID-2 to 4 and MRG-1, with each part of the assigning authority', () => {
  const raw = Buffer.concat([oru(), Buffer.from('\rPID|2|OLD1||ALT^^^HOSP\rMRG|999^^^HOSP')]);
  assert.deepEqual(
    [...readTerms(raw).patients].sort(),
    ['777', '777^1.2.3', '777^hosp', '888', '888^other', '999', '999^hosp', 'alt', 'alt^hosp', 'old1'].sort(),
  );
  assert.deepEqual([...patientNumbers(oru())], [...readTerms(oru()).patients]);
  assert.ok(patientNumbers(oru()).has('777^hosp'));
  assert.equal(patientNumbers(Buffer.from('nothing')).size, 0);
});

test('every condition, before it is indexed, after, and after an outcome has changed', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const indexer = createIndexer({ db, log: testLog() });
  const source = { kind: 'file', name: 'inbox' } as const;
  const one = await receive(journal, oru({ id: 'A', note: 'needle one' }), { id: 'A' });
  const adt = oru({ id: 'B', type: 'ADT^A08', sender: 'ADM|EAST', patient: '12^^^WEST', note: 'needle two' });
  const two = await journal.receive(
    adt,
    { sender: 'ADM|EAST', type: 'ADT^A08', controlId: 'B' },
    Date.UTC(2026, 1, 2),
    source,
  );
  await receive(journal, oru({ id: 'A', note: 'other content' }), { id: 'A' });
  await db.tx(async (tx) =>
    journal.markStored(tx, [
      {
        message: one,
        ack: Buffer.from('a'),
        results: [],
        warnings: ['w'],
        finishedMs: 0,
        route: { id: 'lab', version: 3 },
      },
    ]),
  );
  const cases: [Filter, string[]][] = [
    [{}, ['A', 'B', 'A']],
    [{ text: 'NEEDLE' }, ['B', 'A']],
    [{ text: 'needle two' }, ['B']],
    [{ text: 'potassium 2823-3 content' }, ['A']],
    [{ text: 'needle missing' }, []],
    [{ type: 'ORU' }, ['A', 'A']],
    [{ type: 'ADT^A08' }, ['B']],
    [{ type: 'A08' }, []],
    [{ sender: 'ADM|EAST' }, ['B']],
    [{ sender: 'NORTH' }, ['A', 'A']],
    [{ controlId: 'B' }, ['B']],
    [{ patientId: '12' }, ['B']],
    [{ patientId: '777^^^hosp' }, ['A', 'A']],
    [{ patientId: '1.2.3|777' }, ['A', 'A']],
    [{ patientId: '777^^^OTHER' }, []],
    [{ source: 'inbox' }, ['B']],
    [{ source: 'mllp' }, ['A', 'A']],
    [{ state: 'stored' }, ['A']],
    [{ state: 'received' }, ['A', 'B']],
    [{ routeId: 'lab' }, ['A']],
    [{ warned: true }, ['A']],
    [{ warned: false }, ['A', 'B']],
    [{ reused: true }, ['A']],
    [{ fromMs: Date.UTC(2026, 1, 1) }, ['B']],
    [{ toMs: Date.UTC(2026, 1, 1), text: 'needle' }, ['A']],
    [{ state: 'received', text: 'needle', type: 'ADT' }, ['B']],
  ];
  for (const [filter, ids] of cases) assert.deepEqual(await found(db, filter), ids, `tail ${JSON.stringify(filter)}`);
  await indexer.pass(1);
  assert.deepEqual(await db.query({ text: 'select indexed_to from hl7_index_cursor' }), [{ indexed_to: 3n }]);
  for (const [filter, ids] of cases) assert.deepEqual(await found(db, filter), ids, `index ${JSON.stringify(filter)}`);
  // What had no outcome when it was indexed is found by the one it has now, before and after the index knows.
  await db.tx(async (tx) =>
    journal.markStored(tx, [
      {
        message: two,
        ack: Buffer.from('a'),
        results: [],
        warnings: [],
        finishedMs: 0,
        route: { id: 'adt', version: 1 },
      },
    ]),
  );
  const changed: [Filter, string[]][] = [
    [{ routeId: 'adt' }, ['B']],
    [{ state: 'stored' }, ['B', 'A']],
    [{ state: 'received' }, ['A']],
    [{ routeId: 'adt', text: 'needle' }, ['B']],
  ];
  for (const [filter, ids] of changed)
    assert.deepEqual(await found(db, filter), ids, `stale ${JSON.stringify(filter)}`);
  await indexer.pass(1);
  assert.deepEqual(await db.query({ text: 'select message from hl7_stale' }), [{ message: 3n }]);
  for (const [filter, ids] of changed)
    assert.deepEqual(await found(db, filter), ids, `again ${JSON.stringify(filter)}`);
  // Acknowledged after it was indexed as stored.
  journal.markAcknowledged(one.id, 12.4);
  await journal.flush();
  assert.deepEqual(await found(db, { state: 'acknowledged' }), ['A']);
  assert.deepEqual(await found(db, { state: 'stored' }), ['B']);
});

/** `i` from 1: word w2 in each second, w3 in each third …; OLD in the first thousand; the type by thirds. */
const fill = {
  text: `insert into hl7_message (received_at, sender, control_id, content_hash, control_id_reused, type, raw, state, attempts)
    select timestamptz '2026-01-01' + i * interval '1 minute', 'S|F', i::text, sha256(i::text::bytea), false,
      case i % 3 when 0 then 'ADT^A01' when 1 then 'ORU^R01' else 'ORU^R30' end,
      convert_to(concat('MSH|^~\\&|S|F|||||ORU^R01|', i, E'|P|2.5\\rPID|1||', i % 50, '^^^H', E'\\rNTE|1||',
        (select string_agg('w' || d, ' ') from generate_series(2, 97) d where i % d = 0), case when i <= 1000 then ' old' end), 'UTF8'),
      case when i % 101 = 0 then 'failed' else 'acknowledged' end, 1
    from generate_series($1::int, $2::int) as i`,
};

const matches: [Filter, (i: number) => boolean][] = [
  [{ text: 'w2' }, (i) => i % 2 === 0],
  [{ text: 'w2 w97' }, (i) => i % 194 === 0],
  [{ text: 'w89 w83' }, (i) => i % (89 * 83) === 0],
  [{ text: 'old w7' }, (i) => i <= 1000 && i % 7 === 0],
  [{ type: 'ORU', text: 'w5' }, (i) => i % 3 !== 0 && i % 5 === 0],
  [{ state: 'failed' }, (i) => i % 101 === 0],
  [{ patientId: '7^^^H', text: 'w11' }, (i) => i % 50 === 7 && i % 11 === 0],
  [{ controlId: '4321' }, (i) => i === 4321],
  [{ text: 'nothing' }, () => false],
  [
    { text: 'w2', fromMs: Date.UTC(2026, 0, 1, 1), toMs: Date.UTC(2026, 0, 1, 10) },
    (i) => i % 2 === 0 && i >= 60 && i < 600,
  ],
];

const COUNT = 9_300;

async function everyPage(db: Db, filter: Filter, order: Search['order'], limit: number): Promise<number[]> {
  const ids: number[] = [];
  for (let beyond: bigint | undefined; ; ) {
    const page = await searchMessages(db, { filter, order, limit, ...(beyond === undefined ? {} : { beyond }) });
    ids.push(...page.rows.map(({ control_id }) => Number(control_id)));
    if (page.next === undefined) return ids;
    beyond = page.next;
  }
}

test('9,300 messages in large blocks, small blocks and none: as looking at each would tell, page by page, both ways', async (t) => {
  const db = await testDatabase(t);
  const indexer = createIndexer({ db, log: testLog() });
  await db.query(fill, [1, 9_000]);
  await indexer.pass(1);
  await db.query(fill, [9_001, COUNT - 20]);
  await indexer.pass(1);
  await db.query(fill, [COUNT - 19, COUNT]);
  // Fewer than are worth a block.
  await indexer.pass();
  const blocks = await db.query<{ buckets: number; messages: number }>({
    text: 'select buckets, sum(messages)::int as messages from hl7_index_block group by buckets order by buckets',
  });
  assert.deepEqual(blocks, [
    { buckets: 32, messages: COUNT - 20 - 8_192 },
    { buckets: 1_024, messages: 8_192 },
  ]);
  const all = Array.from({ length: COUNT }, (_, index) => index + 1);
  for (const [filter, is] of matches) {
    const expected = all.filter(is);
    assert.deepEqual(await everyPage(db, filter, 'oldest', 70), expected, `oldest ${JSON.stringify(filter)}`);
    assert.deepEqual(
      await everyPage(db, filter, 'newest', 999),
      expected.reverse(),
      `newest ${JSON.stringify(filter)}`,
    );
  }
});

test('from the oldest on nothing is passed over, however far the index is behind', async (t) => {
  const db = await testDatabase(t);
  const indexer = createIndexer({ db, log: testLog() });
  await db.query(fill, [1, 200]);
  await indexer.pass(1);
  await db.query(fill, [201, 4_700]);
  const all = Array.from({ length: 4_700 }, (_, index) => index + 1);
  for (const [filter, is] of matches) {
    assert.deepEqual(await everyPage(db, filter, 'oldest', 70), all.filter(is), JSON.stringify(filter));
  }
  const { rows: none, ...page } = await searchMessages(db, { filter: { text: 'nothing' }, order: 'oldest', limit: 70 });
  assert.deepEqual([none, page], [[], { next: 2_200n, unsearched: 2_500 }]);
  const newest = await searchMessages(db, { filter: { text: 'w97' }, order: 'newest', limit: 70 });
  assert.equal(newest.unsearched, 2_500);
});

test('a message whose number was given earlier and that is committed later is not passed over', async (t) => {
  const connection = await testConnection(t);
  const open = () => connectDb({ ...connection, poolMax: 4, log: testLog() });
  const [db, other] = [open(), open()];
  t.after(() => Promise.all([db.close(), other.close()]));
  await db.query(fill, [1, 3]);
  const hold = Promise.withResolvers<void>();
  const inserted = Promise.withResolvers<void>();
  const late = other.tx(async (tx) => {
    await tx.query(fill, [4, 4]);
    inserted.resolve();
    await hold.promise;
  });
  await inserted.promise;
  await db.query(fill, [5, 9]);
  assert.equal(await settledNumber(db, async () => false), undefined);
  let looks = 0;
  const settled = settledNumber(db, async () => {
    if (++looks === 2) {
      hold.resolve();
      await late;
    }
    return true;
  });
  assert.equal(await settled, 9n);
  assert.equal(await indexNext(db, 9n, 1), 9);
  assert.deepEqual(await found(db, { text: 'w4' }), ['8', '4']);
});

test('two servers that index at once write every message once', async (t) => {
  const db = await testDatabase(t);
  await db.query(fill, [1, 3_000]);
  const indexers = [1, 2, 3].map(() => createIndexer({ db, log: testLog() }));
  await waitFor(async () => {
    await Promise.all(indexers.map((indexer) => indexer.pass(1)));
    const [row] = await db.query<{ n: number }>({ text: 'select sum(messages)::int as n from hl7_index_block' });
    return row?.n === 3_000;
  }, 'the index');
  assert.deepEqual(
    await everyPage(db, { text: 'w29' }, 'oldest', 1_000),
    Array.from({ length: 103 }, (_, i) => 29 * (i + 1)),
  );
});

test('the indexer runs by itself, and stops', async (t) => {
  const db = await testDatabase(t);
  const indexer = createIndexer({ db, log: testLog() });
  await db.query(fill, [1, 100]);
  indexer.start();
  await waitFor(async () => (await db.query({ text: 'select from hl7_index_block' })).length === 1, 'a block');
  await indexer.stop();
  await db.query(fill, [101, 300]);
  assert.equal((await db.query({ text: 'select from hl7_index_block' })).length, 1);
});

test('of a text of many words all must be there', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const letters = Array.from({ length: 40 }, (_, at) => `w${at}`);
  await receive(journal, oru({ id: 'ALL', note: letters.join(' ') }), { id: 'ALL' });
  await receive(journal, oru({ id: 'FEWER', note: letters.slice(0, -1).join(' ') }), { id: 'FEWER' });
  assert.deepEqual(await found(db, { text: letters.join(' ') }), ['ALL']);
  await createIndexer({ db, log: testLog() }).pass(1);
  assert.deepEqual(await found(db, { text: letters.join(' ') }), ['ALL']);
});

test('what many further attempts have changed is found before the index knows of it, in both directions', async (t) => {
  const db = await testDatabase(t);
  const count = 11_000;
  await db.query({
    text: `insert into hl7_message (received_at, sender, control_id, content_hash, control_id_reused, type, raw, state, attempts)
      select now(), 'S|F', i::text, sha256(i::text::bytea), false, 'ORU^R01', 'MSH|', 'received', 0 from generate_series(1, ${count}) as i`,
  });
  await createIndexer({ db, log: testLog() }).pass(1);
  await db.query({ text: `update hl7_message set state = 'failed' where id in (1, 5999, 6000, 6001, ${count})` });
  assert.deepEqual(await found(db, { state: 'failed' }), [`${count}`, '6001', '6000', '5999', '1']);
  assert.deepEqual(await found(db, { state: 'failed' }, { order: 'oldest' }), [
    '1',
    '5999',
    '6000',
    '6001',
    `${count}`,
  ]);
  assert.deepEqual(await found(db, { state: 'failed' }, { order: 'oldest', limit: 2, beyond: 1n }), ['5999', '6000']);
});
