// Latency of searches, and what tables and indexes take of the disk.
import http from 'node:http';
import type { Db } from '#platform';
import { createRandom } from '../data/random.ts';
import { type MeasuredSearch, searches } from './searches.ts';

export interface Latency {
  name: string;
  targetMs: number | undefined;
  p50Ms: number;
  p95Ms: number;
  /** Processor time of one on average, PostgreSQL's included: what the latency would be on an idle machine, about. */
  cpuMs: number;
  /** Matches of a page on average, or the total where it was asked for. */
  matches: number;
}

const WARM_UP = 60;
const REQUESTS = 200;
/** A search so slow that they take longer ends with fewer, but for the least. */
const MEASURE_MS = 10_000;
const REQUESTS_MIN = 20;

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function get(url: string): Promise<{ ms: number; body: string }> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve({ ms: performance.now() - startedMs, body });
        else reject(new Error(`${url}: ${response.statusCode} ${body.slice(0, 400)}`));
      });
    });
    request.on('error', reject);
  });
}

interface Answer {
  resourceType: string;
  total?: number;
  entry?: unknown[];
}

function matchesIn(body: string): number {
  const answer = JSON.parse(body) as Answer;
  if (answer.resourceType !== 'Bundle') return 1;
  return answer.entry?.length ?? answer.total ?? 0;
}

const at = (sorted: number[], share: number): number => sorted[Math.floor((sorted.length - 1) * share)]!;

async function measureOne(
  { fhirBaseUrl: base, cpuMs }: Measured,
  search: MeasuredSearch,
  patients: number,
): Promise<Latency> {
  const { name, targetMs } = search;
  const random = createRandom(name.length);
  const times: number[] = [];
  let matches = 0;
  const ask = () => get(base + search.url(random, patients));
  const startedMs = performance.now();
  const isLate = () => performance.now() - startedMs > MEASURE_MS;
  for (let i = 0; i < WARM_UP && !isLate(); i++) await ask();
  const cpuBeforeMs = cpuMs();
  while (times.length < REQUESTS_MIN || (times.length < REQUESTS && !isLate())) {
    const { ms, body } = await ask();
    times.push(ms);
    matches += matchesIn(body);
  }
  const cpu = (cpuMs() - cpuBeforeMs) / times.length;
  times.sort((a, b) => a - b);
  return { name, targetMs, p50Ms: at(times, 0.5), p95Ms: at(times, 0.95), cpuMs: cpu, matches: matches / times.length };
}

/** The server under measurement. */
export interface Measured {
  fhirBaseUrl: string;
  /** Of all its processes so far. */
  cpuMs(): number;
}

/** One after the other, on one connection. A search that fails is told and left out. */
export async function measureSearches(server: Measured, patients: number, failed: (text: string) => void) {
  const found: Latency[] = [];
  for (const search of searches) {
    try {
      found.push(await measureOne(server, search, patients));
    } catch (error) {
      failed(`${search.name}: ${(error as Error).message}`);
    }
  }
  agent.destroy();
  return found;
}

export interface Disk {
  /** `resources: heap` and the like → bytes. */
  parts: Map<string, number>;
  total: number;
}

const sizes = {
  text: `select case when i.relname is not null then t.name || ': index ' ||
        case when i.relname ~ '_key_idx$' then 'on key' when i.relname ~ '_pkey$' then 'primary key'
          else 'on ' || pg_get_indexdef(i.oid, 1, true) || case when x.indpred is null then '' else ', part' end end
      else t.name || ': heap' end as part,
    sum(case when i.oid is null then pg_table_size(t.oid) else pg_relation_size(i.oid) end)::float8 as bytes
    from (select c.oid, case when c.relname ~ '^r_' then 'resources' when c.relname ~ '^h_' then 'history' else c.relname end as name
      from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace) t
    cross join lateral (select null::oid as indexrelid, null::pg_node_tree as indpred
      union all select x.indexrelid, x.indpred from pg_index x where x.indrelid = t.oid) x
    left join pg_class i on i.oid = x.indexrelid
    group by 1 order by 2 desc`,
};

export async function measureDisk(db: Db): Promise<Disk> {
  const rows = await db.query<{ part: string; bytes: number }>(sizes);
  const parts = new Map(rows.map(({ part, bytes }) => [part, bytes]));
  return { parts, total: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
}
