// `node bench/hl7/journal-search.ts [--messages 1000000] [--folder dir]`: a journal is generated in an embedded PostgreSQL,
// indexed, and searched in every shape, each 100 times. With --folder it is kept there and used again.
// docs/performance.md has the numbers.
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createIndexer, type JournalFilter, searchMessages } from '#hl7-engine';
import { connectDb, createLog, type Db, migrate, startEmbeddedPostgres } from '#platform';
import { removeFolder } from '../boot.ts';

const log = createLog({ level: 'warn' });
const TIMES = 100;
const CHUNK = 50_000;

/**
 * Message `i` of some 600 bytes (a real ORU has 2,000). Words of every frequency: ALPHA in each second one, OMEGA in the
 * others, both in one of 100,000; LEGACY in the oldest third only; RARE in one of 10,000; NEEDLE in three of all.
 */
const generate = {
  text: `insert into hl7_message (received_at, sender, control_id, content_hash, control_id_reused, type, raw, state, attempts,
      warnings, ack, wrote, finished_at, source_kind, source_name, route_id, route_version, parse_us, map_us, store_us)
    select at, sender, 'BENCH-' || i, sha256(raw), i % 5003 = 0, type, raw,
      case when i % 1009 = 0 then 'failed' when i % 37 = 0 then 'filtered' else 'acknowledged' end, 1,
      case when i % 97 = 0 then array['PV1-3 has no place'] else '{}' end,
      convert_to('MSH|^~\\&|CEREBRA|HOSP|LAB|NORTH|20260101||ACK|CB' || i || E'|P|2.5.1\\rMSA|AA|BENCH-' || i, 'UTF8'),
      array['Patient/b' || i % 50000 || '/_history/1', 'Observation/o' || i || '/_history/1'], at, 'mllp',
      case when i % 4 = 0 then 'ward' else 'default' end, 'route-' || i % 7, 1, 50, 120, 900
    from (select i, at, sender, type, convert_to(concat('MSH|^~\\&|', sender, '|CEREBRA|HOSP|', to_char(at, 'YYYYMMDDHH24MISS'),
        '||', type, '|BENCH-', i, E'|P|2.5.1\\rPID|1||', i % 50000, '^^^BENCHHOSP&2.999.1.21&ISO^MR||TESTPERSON', i % 50000,
        E'^AVERY^BENCH||19700101|F|||1 EXAMPLE STREET^^SAMPLETOWN\\rOBR|1||F', i, '^BENCHLAB|24323-8^COMPREHENSIVE METABOLIC PANEL^LN|||',
        to_char(at, 'YYYYMMDDHH24MI'), E'\\rOBX|1|NM|2823-3^POTASSIUM SERUM^LN||', 3 + i % 300 * 0.01, '|mmol/L^^UCUM|3.5-5.1|N|||F',
        E'\\rNTE|1||', case when i % 2 = 0 or i % 100000 = 1 then 'ALPHA ' end, case when i % 2 = 1 then 'OMEGA ' end,
        case when i < $3 / 3 then 'LEGACY ' end, case when i % 10000 = 7 then 'RARE ' end,
        case when i in (1000, $3 / 2, $3 - 5000) then 'NEEDLE ' end, repeat('COMMENT WITH SOME MORE WORDS ', 4)), 'UTF8') as raw
      from (select i, timestamptz '2025-01-01' + i * interval '25 seconds' as at, case when i % 3 = 0 then 'LAB|NORTH' when i % 3 = 1 then 'LAB|SOUTH' else 'ADM|EAST' end
          as sender, case when i % 20 = 0 then 'MDM^T02' when i % 3 = 2 then 'ADT^A08' else 'ORU^R01' end as type
        from generate_series($1::int, $2::int) as i) a) b`,
};

async function build(db: Db, messages: number): Promise<void> {
  const startMs = performance.now();
  for (let from = 1; from <= messages; from += CHUNK) {
    await db.query(generate, [from, Math.min(from + CHUNK - 1, messages), messages]);
  }
  await db.query({
    text: "insert into hl7_dead_letter select id, received_at from hl7_message where state = 'failed'",
  });
  await db.query({ text: 'vacuum analyze hl7_message' });
  console.log(`generated ${messages} messages in ${seconds(startMs)} s`);
}

const seconds = (startMs: number): string => ((performance.now() - startMs) / 1_000).toFixed(1);

async function index(db: Db, messages: number): Promise<void> {
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  await createIndexer({ db, log }).pass(1);
  const { user, system } = process.cpuUsage(cpu);
  const rate = Math.round((messages / (performance.now() - startMs)) * 1_000);
  console.log(
    `indexed in ${seconds(startMs)} s: ${rate} messages/s, ${Math.round((user + system) / messages)} µs of Node each`,
  );
}

const sizes = {
  text: `select pg_size_pretty(pg_total_relation_size('hl7_message')) as journal,
    pg_size_pretty(pg_total_relation_size('hl7_index_segment')) as index, (select count(*)::int from hl7_index_block) as blocks`,
};

/** The latest message is of `messages` × 25 s after the first day. */
const dayMs = (fraction: number, messages: number): number =>
  Date.parse('2025-01-01T00:00:00Z') + fraction * messages * 25_000;

const shapesOf = (messages: number): [string, JournalFilter, bigint?][] => [
  ['no condition: the newest page', {}],
  ['page in the middle', {}, BigInt(messages / 2)],
  ['time: an hour in the middle', { fromMs: dayMs(0.5, messages), toMs: dayMs(0.5, messages) + 3_600_000 }],
  ['type, frequent', { type: 'ORU^R01' }],
  ['type, all events of ADT', { type: 'ADT' }],
  ['type that no message has', { type: 'ZZZ^Z99' }],
  ['sender', { sender: 'LAB|NORTH' }],
  ['control id', { controlId: `BENCH-${messages / 4}` }],
  ['patient id', { patientId: '12345' }],
  ['patient id with authority', { patientId: '12345^^^BENCHHOSP' }],
  ['state failed (0.1 %)', { state: 'failed' }],
  ['state failed, oldest third', { state: 'failed', toMs: dayMs(0.33, messages) }],
  ['state received (none)', { state: 'received' }],
  ['route', { routeId: 'route-3' }],
  ['source', { source: 'ward' }],
  ['with warnings (1 %)', { warned: true }],
  ['control id used again (0.02 %)', { reused: true }],
  ['word in half of all', { text: 'alpha' }],
  ['word in all', { text: 'potassium' }],
  ['word in one of 10,000', { text: 'rare' }],
  ['word in three of all', { text: 'needle' }],
  ['word in none', { text: 'nowhere' }],
  ['word in the oldest third only', { text: 'legacy' }],
  ['two frequent words, together in one of 100,000', { text: 'alpha omega' }],
  ['five frequent words', { text: 'alpha potassium serum comment avery' }],
  ['frequent word and rare word', { text: 'alpha needle' }],
  ['frequent type, frequent word, never together', { type: 'ADT^A08', text: 'alpha', sender: 'LAB|NORTH' }],
  ['word of the oldest third and time of the newest', { text: 'legacy', fromMs: dayMs(0.9, messages) }],
  ['failed, frequent word, type, route', { state: 'failed', text: 'omega', type: 'ORU', routeId: 'route-3' }],
  ['patient id and word', { patientId: '12345', text: 'omega' }],
];

async function measure(db: Db, name: string, filter: JournalFilter, beyond?: bigint): Promise<void> {
  const times: number[] = [];
  let found = 0;
  for (let i = 0; i < TIMES; i++) {
    const startMs = performance.now();
    const page = await searchMessages(db, { filter, order: 'newest', limit: 50, ...(beyond ? { beyond } : {}) });
    times.push(performance.now() - startMs);
    found = page.rows.length;
  }
  times.sort((a, b) => a - b);
  console.log(`| ${name} | ${found} | ${times[TIMES / 2]!.toFixed(1)} | ${times[TIMES * 0.95]!.toFixed(1)} |`);
}

const { values } = parseArgs({
  options: { messages: { type: 'string', default: '1000000' }, folder: { type: 'string' } },
});
const messages = Number(values.messages);
const folder = values.folder ?? (await mkdtemp(path.join(os.tmpdir(), 'journal-search-')));
const postgres = await startEmbeddedPostgres({ dataDir: folder, log });
const db = connectDb({ ...postgres.connection, poolMax: 4, log });
try {
  await migrate(db, path.join(import.meta.dirname, '../../migrations'), log);
  const [{ count } = { count: 0 }] = await db.query<{ count: number }>({
    text: 'select count(*)::int as count from hl7_message',
  });
  if (count === 0) {
    await build(db, messages);
    await index(db, messages);
  }
  const [size] = await db.query<{ journal: string; index: string; blocks: number }>(sizes);
  console.log(`journal ${size?.journal}, search index ${size?.index} in ${size?.blocks} blocks`);
  console.log('| search, pages of 50 | found | p50 ms | p95 ms |\n|---|---|---|---|');
  for (const [name, filter, beyond] of shapesOf(messages)) await measure(db, name, filter, beyond);
} finally {
  await db.close();
  await postgres.stop();
  if (values.folder === undefined) await removeFolder(folder);
}
