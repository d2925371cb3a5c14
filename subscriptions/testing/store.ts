// A store for tests: the ports on a table of its own, with the change rows of migrations/0001_store.sql, so that the
// feed's horizon is the real one.

import type { ResourceWriter, StoredVersion, WriteContext } from '#fhir-model';
import {
  type Change,
  type ChangeFeed,
  type EntryResult,
  parseJson,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { CerebraError, type Db, type Queryable, type Tx } from '#platform';
import { parseCriteria } from '../match/criteria.ts';
import { createMatcher } from '../match/matcher.ts';
import { testRules } from './rules.ts';

export interface TestStore {
  feed: ChangeFeed;
  reader: ResourceReader;
  writer: ResourceWriter;
  /** Creates or updates; returns the version. `within` runs before the commit. */
  put(resource: Resource & { id: string }, within?: (tx: Tx) => Promise<void>): Promise<number>;
  remove(type: string, id: string): Promise<void>;
  /** All current resources of a type, by id. */
  list(type: string): Promise<Resource[]>;
  /** Makes the next calls of the writer throw. */
  failWrites(error: unknown, times: number): void;
  /** What was searched for, `Type?name=value`. */
  searches: string[];
  /** False: commits tell nobody, as another server's don't. */
  tellsCommits: boolean;
}

interface VersionRow {
  id: string;
  version: number;
  updated: number;
  body: string;
}

const toStored = (type: string, row: VersionRow): StoredVersion => ({
  ...{ type, id: row.id, version: row.version, updatedMs: row.updated, body: row.body, deleted: row.body === '' },
});

/** The store with its table. */
export async function createTestStore(db: Db): Promise<TestStore> {
  await db.query({
    text: `create table test_version (type text, id text, version int, updated timestamptz, body text,
      primary key (type, id, version))`,
  });
  return openTestStore(db);
}

/** The store on a table that is there already. */
export function openTestStore(db: Db): TestStore {
  const listeners = new Set<() => void>();
  let failures: unknown[] = [];
  const committed = () => {
    if (store.tellsCommits) for (const listener of listeners) listener();
  };
  const current = async (db: Queryable, type: string, id: string) => {
    const text = 'select * from test_version where type = $1 and id = $2 order by version desc limit 1';
    return (await db.query<VersionRow>({ text }, [type, id]))[0];
  };
  const write = (tx: Tx, resource: Resource & { id: string }) =>
    writeVersion(tx, resource.resourceType, resource.id, resource);

  const store: TestStore = {
    searches: [],
    tellsCommits: true,
    feed: {
      read: readFeed,
      bodies: readBodies,
      end: async (db) => {
        const [row] = await db.query<{ xid: bigint }>({
          text: 'select pg_snapshot_xmin(pg_current_snapshot()) as xid',
        });
        return { xid: row!.xid, seq: 0n };
      },
      since: async () => ({ xid: 0n, seq: 0n }),
      onCommit(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    reader: {
      async read(type, id) {
        const row = await current(db, type, id);
        return row && toStored(type, row);
      },
      async search(type, query) {
        const text = `select distinct on (id) * from test_version where type = $1 order by id, version desc`;
        const rows = await db.query<VersionRow>({ text }, [type]);
        const all = rows.map((row) => toStored(type, row)).filter(({ deleted }) => !deleted);
        store.searches.push(`${type}?${query}`);
        // Who searches for topics looks at each.
        if (type === 'Basic') return { resources: all, included: [] };
        const matching = await found(type, query, all);
        const asked = new URLSearchParams(query);
        const from = Number(asked.get('_cursor') ?? 0);
        const until = from + Number(asked.get('_count') ?? 50);
        const more = until < matching.length ? { nextCursor: String(until) } : {};
        return { resources: matching.slice(from, until), included: [], ...more };
      },
    },
    writer: {
      async transaction(entries, context) {
        if (failures.length > 0) throw failures.shift();
        const results = await db.tx(async (tx) => {
          const results: EntryResult[] = [];
          // In one order, as the store does.
          const urls = entries.map(({ url }) => url).sort();
          for (const url of urls) await lock(tx, ...(url.split('/') as [string, string]));
          for (const { method, resource, url, ifMatch, merge } of entries) {
            if (method !== 'PUT' || !resource) throw new CerebraError('unsupported', 'only PUT in tests');
            const [type = '', id = ''] = url.split('/');
            const row = await current(tx, type, id);
            const version = row?.version ?? 0;
            const existing = row && row.body !== '' ? (parseJson(row.body).exact as Resource) : undefined;
            const next = merge ? merge(existing, resource) : resource;
            if (next === existing) continue;
            if (ifMatch !== undefined && ifMatch !== `W/"${version}"`) {
              throw new CerebraError('precondition-failed', 'another version is there');
            }
            results.push(await writeVersion(tx, type, id, next));
          }
          await context.within?.(tx, results);
          return results;
        });
        committed();
        return results;
      },
      async createIfAbsent(resources, context: WriteContext) {
        if (failures.length > 0) throw failures.shift();
        const created = await db.tx(async (tx) => {
          const created: boolean[] = [];
          const sorted = [...resources].sort((one, other) => (one.id < other.id ? -1 : 1));
          for (const { resourceType, id } of sorted) await lock(tx, resourceType, id);
          for (const resource of resources) {
            const absent = !(await current(tx, resource.resourceType, resource.id));
            if (absent) await write(tx, resource);
            created.push(absent);
          }
          await context.within?.(tx, []);
          return created;
        });
        committed();
        return created;
      },
    },
    async put(resource, within) {
      const { version } = await db.tx(async (tx) => {
        await lock(tx, resource.resourceType, resource.id);
        const result = await write(tx, resource);
        await within?.(tx);
        return result;
      });
      committed();
      return version;
    },
    async remove(type, id) {
      await db.tx((tx) => writeVersion(tx, type, id, undefined));
      committed();
    },
    async list(type) {
      const text = `select distinct on (id) * from test_version where type = $1 order by id, version desc`;
      const rows = await db.query<VersionRow>({ text }, [type]);
      return rows.filter((row) => row.body !== '').map((row) => parseJson(row.body).exact as Resource);
    },
    failWrites(error, times) {
      failures = new Array(times).fill(error);
    },
  };
  return store;
}

/** Those of them that criteria a resource alone decides find; sorted by `-date` at most. */
async function found(type: string, search: string, all: StoredVersion[]): Promise<StoredVersion[]> {
  const query = new URLSearchParams(search);
  const criteria = [...query].filter(([name]) => !['_sort', '_count', '_total', '_cursor'].includes(name));
  const { query: parsed, stored } = parseCriteria(`${type}?${new URLSearchParams(criteria)}`, await testRules());
  if (stored !== '') throw new CerebraError('unsupported', `no search for ${stored} in tests`);
  const matcher = createMatcher();
  matcher.put({ id: 'search', query: parsed });
  const matching = all.flatMap((one) => {
    const resource = parseJson(one.body).exact as Resource;
    const matches = matcher.match(resource, one.version, one.updatedMs, (_id, error) => {
      throw error;
    });
    return matches.length > 0 ? [{ one, date: String(resource.effectiveDateTime ?? '') }] : [];
  });
  if (query.get('_sort') === '-date') matching.sort((a, b) => (a.date > b.date ? -1 : 1));
  return matching.map(({ one }) => one);
}

const lock = (tx: Tx, type: string, id: string) =>
  tx.query({ text: 'select pg_advisory_xact_lock(hashtext($1))' }, [`${type}/${id}`]);

const insertVersion = `with v as (
    insert into test_version (type, id, version, updated, body)
    select $1, $2, coalesce(max(version), 0) + 1, now(), '' from test_version where type = $1 and id = $2
    returning version, updated)
  insert into change (seq, updated, version, type, op, id)
  select nextval('resource_seq'), v.updated, v.version, t.code,
    (case when $3 then 'd' when v.version = 1 then 'c' else 'u' end)::"char", $2
  from v, resource_type t where t.name = $1 returning version, updated`;

async function writeVersion(tx: Tx, type: string, id: string, resource: Resource | undefined): Promise<EntryResult> {
  const [row] = await tx.query<{ version: number; updated: number }>({ text: insertVersion }, [type, id, !resource]);
  const { version, updated: updatedMs } = row!;
  const meta = { ...resource?.meta, versionId: String(version), lastUpdated: new Date(updatedMs).toISOString() };
  const body = resource ? JSON.stringify({ ...resource, id, meta }) : '';
  const text = 'update test_version set body = $4 where type = $1 and id = $2 and version = $3';
  await tx.query({ text }, [type, id, version, body]);
  return { status: 200, type, id, version, updatedMs, body, op: version === 1 ? 'create' : 'update' };
}

const readFeed: ChangeFeed['read'] = async (db, cursor, limit) => {
  const text = `select c.xid, c.seq, t.name as type, c.id, c.version, c.updated as "updatedMs", v.body,
      case c.op when 'c' then 'create' when 'u' then 'update' else 'delete' end as op
    from change c join resource_type t on t.code = c.type
    join test_version v on v.type = t.name and v.id = c.id and v.version = c.version
    where (c.xid, c.seq) > ($1::xid8, $2::bigint) and c.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by c.xid, c.seq limit $3`;
  const changes = await db.query<Change>({ text }, [cursor.xid, cursor.seq, limit]);
  return { changes, more: changes.length === limit };
};

const readBodies: ChangeFeed['bodies'] = async (db, versions) => {
  const text = `select coalesce(v.body, '') as body
    from unnest($1::text[], $2::text[], $3::int[]) with ordinality as w (type, id, version, place)
    left join test_version v on v.type = w.type and v.id = w.id and v.version = w.version order by place`;
  const columns = [versions.map(({ type }) => type), versions.map(({ id }) => id), versions.map((one) => one.version)];
  return (await db.query<{ body: string }>({ text }, columns)).map(({ body }) => body);
};
