// Stored CodeSystems by the value set of all their codes: https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.valueSet
// R4 has no search parameter for it: which row names which value set is kept here, a version of a CodeSystem being read once.
import type { AccessScope } from '#fhir-model';
import type { Db } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { currentTable } from '../store/layout.ts';
import { named } from '../store/sql.ts';

export interface WholeSystems {
  /** Rows of CodeSystems that may name it, latest written first; `generation` is that of what is stored. */
  rows(valueSet: string, generation: number): Promise<readonly bigint[]>;
}

interface Place {
  rid: bigint;
  seq: bigint;
}

/** Of one body, those within what it contains counted. */
const NAMES_MAX = 20;
const NAME = String.raw`"valueSet"\s*:\s*"([^"\\]+)"`;

async function readPlaces(db: Db, scope: AccessScope): Promise<Place[]> {
  const access = scopeSql(scope);
  const statement = named(
    `whole_systems${access.name}`,
    () => `select r.rid, r.seq from ${currentTable('CodeSystem')} r where ${access.condition('r', 1)}`,
  );
  return db.query<Place>(statement, [...access.values]);
}

/** Texts that stand as `valueSet` somewhere in the bodies: whoever uses one looks whether it is the system's own. */
function readNames(db: Db, rids: readonly bigint[]): Promise<{ rid: bigint; names: string[] }[]> {
  const statement = named(
    'whole_systems_names',
    () => `select r.rid, array(select m[1] from regexp_matches(r.body, $2, 'g') m limit ${NAMES_MAX}) as names
      from ${currentTable('CodeSystem')} r where r.rid = any($1::bigint[]) and strpos(r.body, '"valueSet"') > 0`,
  );
  return db.query(statement, [`{${rids.join(',')}}`, NAME]);
}

export function createWholeSystems(db: Db, scope: AccessScope): WholeSystems {
  /** By row: which version of it was read, and what it names. */
  let known = new Map<bigint, { seq: bigint; names: readonly string[] }>();
  let byName = new Map<string, bigint[]>();
  let at: number | undefined;
  let looking: Promise<void> = Promise.resolve();

  async function look(generation: number): Promise<void> {
    if (generation === at) return;
    const places = (await readPlaces(db, scope)).toSorted((a, b) => (a.seq < b.seq ? 1 : -1));
    const changed = places.filter(({ rid, seq }) => known.get(rid)?.seq !== seq).map(({ rid }) => rid);
    const read = changed.length === 0 ? [] : await readNames(db, changed);
    const names = new Map(read.map((row) => [row.rid, row.names]));
    const next = new Map(
      places.map(({ rid, seq }) => {
        const before = known.get(rid);
        return [rid, before?.seq === seq ? before : { seq, names: names.get(rid) ?? [] }] as const;
      }),
    );
    byName = new Map();
    for (const [rid, { names: own }] of next) {
      for (const name of new Set(own)) byName.set(name, [...(byName.get(name) ?? []), rid]);
    }
    known = next;
    at = generation;
  }

  return {
    async rows(valueSet, generation) {
      // One after the other: whoever comes second finds it done.
      looking = looking.catch(() => undefined).then(() => look(generation));
      await looking;
      return byName.get(valueSet) ?? [];
    },
  };
}
