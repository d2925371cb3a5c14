// How the concepts of a value set are found in the tables. A statement begins at what is fewest: the words that were typed,
// what lies below a concept, listed codes or a property's value; the rest is tested of what that yields. The planner can't
// choose so, knowing nothing of the values: of 400,000 concepts `n in (closure) order by n limit 20` walked all.
// https://hl7.org/fhir/R4/valueset-filter-operator.html
import type { Queryable, Statement } from '#platform';
import { asArray } from './code-system.ts';
import { REFSET_PROPERTY } from './ecl.ts';
import { foldCode } from './system-codes.ts';
import { systemStatement, type TableSystem, tableOf } from './tables.ts';
import { anchorsOf, and, type Formula, propertiesOf } from './value-set-formula.ts';
import { unknownPlace, unknownProperty } from './value-set-memory.ts';
import type { Selection } from './value-set-select.ts';
import { conditionSql, eclSource, type Ground, mayBeNames, oneOfSql, wordsSql } from './value-set-sql.ts';

/** Below a concept of more than these, words lead to fewer. */
const BELOW_FEW = 2_000;

export interface Anchor {
  n: number;
  descendants: number;
}

const ANCHORS = (table: TableSystem): Statement =>
  systemStatement(
    table.cs,
    'anchors',
    () => `select c.code, c.n, l.descendants from ${tableOf('concept', table.cs)} c
      join ${tableOf('concept_lineage', table.cs)} l on l.n = c.n
      where ${table.caseSensitive ? 'c.code' : 'lower(c.code)'} = any($1::text[])`,
  );

const PROPERTIES = (table: TableSystem): Statement =>
  systemStatement(
    table.cs,
    'has_properties',
    () => `select w.code from unnest($1::text[]) w (code)
      where exists (select from ${tableOf('concept_property', table.cs)} p where p.code = w.code)`,
  );

const STANDING = new Set(['parent']);

/** A property that is neither defined nor used is none of the system. */
async function assertProperties(db: Queryable, table: TableSystem, formula: Formula): Promise<void> {
  const defined = new Set(asArray(table.about.property).map(({ code }) => code));
  const named = propertiesOf(formula).filter((code) => !defined.has(code) && !STANDING.has(code));
  if (named.length === 0) return;
  const used = new Set((await db.query<{ code: string }>(PROPERTIES(table), [named])).map(({ code }) => code));
  const unknown = named.find((code) => !used.has(code));
  if (unknown !== undefined) throw unknownProperty(table.url, unknown);
}

/** Tables don't change: what a formula names in one of them stands. */
const kept = new WeakMap<Formula, Map<number, Promise<Map<string, Anchor>>>>();

/**
 * Where the codes stand that the formula names as places in the hierarchy. Throws `invalid-parameter` for one that is not
 * there, and for a property that the system does not have.
 */
export function placesOf(db: Queryable, table: TableSystem, formula: Formula): Promise<Map<string, Anchor>> {
  const bySystem = kept.get(formula) ?? new Map<number, Promise<Map<string, Anchor>>>();
  kept.set(formula, bySystem);
  const known = bySystem.get(table.cs);
  if (known) return known;
  const looking = assertProperties(db, table, formula).then(() => anchors(db, table, formula));
  bySystem.set(table.cs, looking);
  looking.catch(() => bySystem.delete(table.cs));
  return looking;
}

async function anchors(db: Queryable, table: TableSystem, formula: Formula): Promise<Map<string, Anchor>> {
  const codes = [...new Set(anchorsOf(formula))];
  if (codes.length === 0) return new Map();
  const fold = (code: string): string => (table.caseSensitive ? code : foldCode(code));
  const rows = await db.query<Anchor & { code: string }>(ANCHORS(table), [codes.map(fold)]);
  const found = new Map(rows.map((row) => [fold(row.code), row]));
  return new Map(
    codes.map((code) => {
      const anchor = found.get(fold(code));
      if (!anchor) throw unknownPlace(table.url, code);
      return [code, anchor];
    }),
  );
}

type Driver = { kind: 'words' } | { kind: 'part'; part: Formula } | { kind: 'scan' };

const partsOf = (where: Formula): readonly Formula[] => (where.kind === 'and' ? where.of : [where]);

/** Where to begin. */
function driverOf(where: Formula, words: readonly string[], places: ReadonlyMap<string, Anchor>): Driver {
  const parts = partsOf(where);
  const listed = parts.find(({ kind }) => kind === 'codes');
  if (listed) return { kind: 'part', part: listed };
  const below = parts
    .filter((part): part is Formula & { kind: 'below' } => part.kind === 'below')
    .sort((a, b) => places.get(a.code)!.descendants - places.get(b.code)!.descendants)[0];
  const few = below !== undefined && places.get(below.code)!.descendants <= BELOW_FEW;
  if (words.length > 0 && !few) return { kind: 'words' };
  const narrow = parts.find(({ kind }) => ['childOf', 'parentOf', 'above', 'ecl', 'member', 'value'].includes(kind));
  const part = few ? below : (narrow ?? below);
  return part ? { kind: 'part', part } : { kind: 'scan' };
}

export interface Plan {
  /** Numbers of concepts in no order, each once: a statement of one column `n`. Undefined: all. */
  source: string | undefined;
  /** What else `c` must fulfil; undefined: nothing. */
  condition: string | undefined;
  values: unknown[];
  /** How many concepts it yields, where that is known without counting. */
  total: number | undefined;
  /** It begins at words. */
  byWords: boolean;
}

const byProperty = (ground: Ground, code: string, values: readonly string[]): string => {
  const { table, parameter } = ground;
  if (mayBeNames(table, code, values)) {
    return `select distinct p.n from ${tableOf('concept_property', table.cs)} p
      where p.code = ${parameter(code)} and ${oneOfSql(ground, { property: code }, values, 'p.value')}`;
  }
  const wanted = `${parameter([...values])}::text[]`;
  // The index holds the beginnings of values.
  const starts = `${parameter(values.map((value) => value.slice(0, 100)))}::text[]`;
  return `select distinct n from ${tableOf('concept_property', table.cs)}
    where code = ${parameter(code)} and left(value, 100) = any(${starts}) and value = any(${wanted})`;
};

/** The numbers that one part of the formula yields, each once: a statement of one column. */
function sourceSql(ground: Ground, part: Formula): string | undefined {
  const { cs } = ground.table;
  const place = (code: string): string => `${ground.parameter(ground.places.get(code)!.n)}::int`;
  switch (part.kind) {
    case 'below': {
      const closure = tableOf('concept_closure', cs);
      const rows = `select descendant as n from ${closure} where ancestor = ${place(part.code)}`;
      // Two lists in order are merged: a page needs no more of them than itself.
      return part.self ? `(${rows} order by 1) union all (select ${place(part.code)})` : rows;
    }
    case 'childOf':
      return `select child as n from ${tableOf('concept_child', cs)} where parent = ${place(part.code)}`;
    case 'value':
      return typeof part.field === 'string' ? undefined : byProperty(ground, part.field.property, part.anyOf);
    case 'member':
      return byProperty(ground, REFSET_PROPERTY, [part.of]);
    case 'ecl':
      return eclSource(ground, part.expression);
    default:
      return undefined;
  }
}

export function planOf(
  table: TableSystem,
  { where, words }: Pick<Selection, 'where' | 'words'>,
  places: ReadonlyMap<string, Anchor>,
): Plan {
  const values: unknown[] = [];
  const ground: Ground = { table, places, parameter: (value) => `$${values.push(value)}` };
  const driver = driverOf(where, words, places);
  const part = driver.kind === 'part' ? driver.part : undefined;
  const source = part && sourceSql(ground, part);
  const rest = source === undefined ? where : and(partsOf(where).filter((each) => each !== part));
  const conditions = rest.kind === 'all' ? [] : [conditionSql(ground, rest)];
  if (words.length > 0) conditions.push(wordsSql(ground, words));
  return {
    ...{ source, values },
    condition: conditions.length === 0 ? undefined : conditions.join(' and '),
    total: conditions.length === 0 ? knownTotal(table, driver, places) : undefined,
    byWords: driver.kind === 'words',
  };
}

/** Of all concepts, and of what lies below one. */
function knownTotal(table: TableSystem, driver: Driver, places: ReadonlyMap<string, Anchor>): number | undefined {
  if (driver.kind === 'scan') return table.concepts;
  if (driver.kind !== 'part' || driver.part.kind !== 'below') return undefined;
  return places.get(driver.part.code)!.descendants + (driver.part.self ? 1 : 0);
}
