// Conformance profiles in PostgreSQL, as the admin API was given them.
import type { Db } from '#platform';

export interface StoredProfile {
  name: string;
  /** Milliseconds since 1970 UTC. */
  at: number;
  author: string;
  comment: string;
  documents: readonly string[];
}

export interface ProfileStore {
  /** Rises with each change by any server. */
  revision(): Promise<bigint>;
  all(): Promise<StoredProfile[]>;
  put(profile: Omit<StoredProfile, 'at'>): Promise<void>;
  /** False when there was none. */
  remove(name: string): Promise<boolean>;
}

const selectRevision = { name: 'hl7_profile_revision', text: 'select n from hl7_profile_revision' };
const raise = { name: 'hl7_profile_raise', text: 'update hl7_profile_revision set n = n + 1' };
const selectAll = {
  name: 'hl7_profiles',
  text: 'select name, at, author, comment, documents from hl7_profile order by name',
};
const upsert = {
  name: 'hl7_profile_put',
  text: `insert into hl7_profile (name, author, comment, documents) values ($1, $2, $3, $4)
    on conflict (name) do update set at = clock_timestamp(), author = $2, comment = $3, documents = $4`,
};
const deleteOne = { name: 'hl7_profile_delete', text: 'delete from hl7_profile where name = $1 returning name' };

export function createProfileStore(db: Db): ProfileStore {
  return {
    async revision() {
      const [row] = await db.query<{ n: bigint }>(selectRevision);
      return row!.n;
    },
    async all() {
      const rows = await db.query<Omit<StoredProfile, 'documents'> & { documents: string }>(selectAll);
      return rows.map((row) => ({ ...row, documents: JSON.parse(row.documents) as string[] }));
    },
    put: ({ name, author, comment, documents }) =>
      db.tx(async (tx) => {
        await tx.query(raise);
        await tx.query(upsert, [name, author, comment, JSON.stringify(documents)]);
      }),
    remove: (name) =>
      db.tx(async (tx) => {
        await tx.query(raise);
        return (await tx.query(deleteOne, [name])).length > 0;
      }),
  };
}
