// What a code system needs once all its concepts are written: hierarchy and indexes.
// https://hl7.org/fhir/R4/codesystem.html#hierarchy
import type { Db, Tx } from '#platform';
import { type BinaryRows, createBinaryRows } from './binary-rows.ts';
import { type Lineage, lineageOf } from './lineage.ts';
import { type Codes, settle, type ToldEdge } from './system-codes.ts';
import { createIndexes, createTableSql, stillMine, unhurried } from './system-tables.ts';
import { type ConceptTable, tableOf } from './tables.ts';
import { streamed } from './unfinished.ts';

export interface WrittenSystem {
  cs: number;
  concepts: number;
  /** Pairs of a concept and one above it. */
  closure: number;
  /** Parents that are no concepts of the system: how many, and the first hundred. */
  unknownParents: { count: number; first: ToldEdge[] };
  /** Left out, since each would have closed a cycle. */
  cyclic: { count: number; first: ToldEdge[] };
}

/** A system whose tables are being written. */
export interface Opened {
  cs: number;
  caseSensitive: boolean;
  /** Progress.attempt; undefined for one that can't be gone on with. */
  attempt: number | undefined;
}

/** In memory at a time, besides as much on its way to PostgreSQL. */
export const DRAIN_BYTES = 4 * 1024 * 1024;
const TOLD_MAX = 100;
/** Of a concept and one above it; all of SNOMED CT has some six million. */
const PAIRS_MAX = 50_000_000;

const columns = {
  concept_lineage: 'cs, n, descendants, parents, ancestors',
  concept_child: 'cs, parent, child',
  concept_closure: 'cs, ancestor, descendant',
} satisfies { [table in ConceptTable]?: string };
type Whole = keyof typeof columns;

/** Writes all rows, stopping where enough are gathered to be sent. */
type Fill = (rows: BinaryRows) => Generator<void>;

const lineageRows = (cs: number, { parents, ancestors, descendants }: Lineage): Fill =>
  function* (rows) {
    for (let n = 0; n < parents.length; n++) {
      rows.row(5);
      rows.int(cs);
      rows.int(n);
      rows.int(descendants[n]!);
      rows.ints(parents[n]!);
      rows.ints(ancestors[n]!);
      if (rows.length >= DRAIN_BYTES) yield;
    }
  };

/** What is below each, ascending: `below` from `ends[n]` to `ends[n + 1]`. */
function turned(above: Lineage['parents']): { ends: Int32Array; below: Int32Array } {
  const ends = new Int32Array(above.length + 1);
  for (const some of above) for (const each of some) ends[each + 1]! += 1;
  for (let n = 0; n < above.length; n++) ends[n + 1]! += ends[n]!;
  const below = new Int32Array(ends[above.length]!);
  const at = ends.slice(0, -1);
  for (let n = 0; n < above.length; n++) for (const each of above[n]!) below[at[each]!++] = n;
  return { ends, below };
}

/** Pairs in the order of the index on them, which makes building it quick. */
const pairRows = (cs: number, above: Lineage['parents']): Fill =>
  function* (rows) {
    const { ends, below } = turned(above);
    for (let n = 0, i = 0; n < above.length; n++) {
      for (; i < ends[n + 1]!; i++) {
        rows.row(3);
        rows.int(cs);
        rows.int(n);
        rows.int(below[i]!);
        if (rows.length >= DRAIN_BYTES) yield;
      }
    }
  };

/** Frozen rows need no vacuum before an index alone answers: https://www.postgresql.org/docs/current/sql-copy.html (FREEZE) */
const copySql = (table: Whole, cs: number): string =>
  `copy ${tableOf(table, cs)} (${columns[table]}) from stdin with (format binary, freeze)`;

async function fillTable(tx: Tx, table: Whole, cs: number, fill: Fill): Promise<void> {
  const rows = createBinaryRows();
  const copy = () => tx.copy(copySql(table, cs), [rows.take()]);
  let sent: Promise<unknown> = Promise.resolve();
  for (const _ of fill(rows)) {
    await sent;
    sent = copy();
    rows.clear();
  }
  await sent;
  await copy();
}

async function has(tx: Tx, text: string, table: ConceptTable, cs: number): Promise<boolean> {
  return (await tx.query({ text }, [tableOf(table, cs)])).length > 0;
}
const TABLE = 'select from pg_class where oid = to_regclass($1)';
const INDEX = 'select from pg_index where indrelid = to_regclass($1)';

/** A table of its own transaction: made, filled frozen, indexed. It is there when a load before came so far. */
async function writeWhole(db: Db, table: Whole, system: Opened, fill: Fill): Promise<void> {
  const { cs, caseSensitive, attempt } = system;
  await db.tx(async (tx: Tx) => {
    await unhurried(tx);
    await stillMine(tx, cs, attempt);
    if (await has(tx, TABLE, table, cs)) return;
    await tx.query({ text: createTableSql(table, cs) });
    await fillTable(tx, table, cs, fill);
    await createIndexes(tx, table, cs, caseSensitive);
  });
}

async function indexStreamed(db: Db, { cs, caseSensitive, attempt }: Opened): Promise<void> {
  for (const table of streamed) {
    await db.tx(async (tx) => {
      await unhurried(tx);
      await stillMine(tx, cs, attempt);
      if (!(await has(tx, INDEX, table, cs))) await createIndexes(tx, table, cs, caseSensitive);
    });
  }
}

const told = (edges: ToldEdge[]) => ({ count: edges.length, first: edges.slice(0, TOLD_MAX) });

/** All rows of concepts are committed. Throws `too-costly` for a hierarchy that is too deep. */
export async function finishHierarchy(db: Db, system: Opened, codes: Codes): Promise<WrittenSystem> {
  const { cs } = system;
  const indexed = indexStreamed(db, system);
  indexed.catch(() => undefined); // awaited below
  const unknown = settle(codes);
  const lineage = lineageOf(codes.names.length, codes.edges, PAIRS_MAX);
  const nameOf = ({ child, parent }: { child: number; parent: number }): ToldEdge => ({
    child: codes.names[child]!,
    parent: codes.names[parent]!,
  });
  await writeWhole(db, 'concept_lineage', system, lineageRows(cs, lineage));
  await writeWhole(db, 'concept_child', system, pairRows(cs, lineage.parents));
  await writeWhole(db, 'concept_closure', system, pairRows(cs, lineage.ancestors));
  await indexed;
  return {
    cs,
    concepts: codes.names.length,
    closure: lineage.descendants.reduce((sum, each) => sum + each, 0),
    unknownParents: told(unknown),
    cyclic: told(lineage.cyclic.map(nameOf)),
  };
}
