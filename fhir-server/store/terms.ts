// Which terms (index-rows.ts) are stored already. A term is written in the transaction of the resource that brings it, so
// that it is there whenever the resource is; and again with each resource until it is seen to be committed. Writers never
// wait for each other's terms that way: a few rows too many are the price of it.
import type { Queryable, Statement } from '#platform';
import { type KnownTerms, type Term, termName } from './tokens.ts';

/** 200 bytes each. */
const KNOWN_MAX = 200_000;
/** After so many new terms, or repetitions of them, those that are committed are looked up. */
const LOOKUP_EVERY = 64;
const PENDING_MAX = 4096;

type Row = Omit<Term, 'name'>;

const all: Statement = {
  name: 'terms_known',
  text: 'select distinct kind::text as kind, param, value, system, token::text as token from term limit $1',
};

const committed: Statement = {
  name: 'terms_committed',
  text: `select v.kind, v.param, v.value, v.system, v.token::text as token
    from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bigint[]) as v(kind, param, value, system, token)
    where exists (select 1 from term t where t.kind = v.kind::"char" and t.param = v.param
      and left(t.value, 100) = left(v.value, 100) and t.value = v.value and t.system = v.system
      and (v.kind not in ('k', 't') or t.token = v.token))`,
};

/** The names of the terms that are stored, or of many of them. */
export const storedTermNames = async (db: Queryable): Promise<string[]> =>
  (await db.query<Row>(all, [KNOWN_MAX])).map(termName);

/** Knows what is stored when it starts; what comes later it learns from the database, never from its own writes. */
export async function createTerms(db: Queryable): Promise<KnownTerms> {
  const known = new Set(await storedTermNames(db));
  const pending = new Map<string, Row>();
  let since = 0;
  let looking = false;

  async function look(): Promise<void> {
    looking = true;
    const rows = [...pending.values()];
    pending.clear();
    try {
      const columns = [
        rows.map((r) => r.kind),
        rows.map((r) => r.param),
        rows.map((r) => r.value),
        rows.map((r) => r.system),
        rows.map((r) => r.token),
      ];
      const found = await db.query<Row>(committed, columns);
      if (known.size + found.length > KNOWN_MAX) known.clear();
      for (const row of found) known.add(termName(row));
    } catch {
      // No connection, or the server stops: the terms go on being written.
    }
    looking = false;
  }

  return {
    has(term) {
      const { name } = term;
      if (known.has(name)) return true;
      if (pending.size < PENDING_MAX) pending.set(name, term);
      if (++since >= LOOKUP_EVERY && !looking) {
        since = 0;
        void look();
      }
      return false;
    },
  };
}
