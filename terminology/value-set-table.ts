// Value sets over a code system in the tables: pages of what fits, and whether single concepts do.
import { createGather, type Queryable, type Statement } from '#platform';
import type { Concept, Property, PropertyType } from './code-system.ts';
import { CONCEPT, type ConceptLine, conceptOf } from './table-system.ts';
import { systemStatement, type TableSystem, tableOf } from './tables.ts';
import type { Formula } from './value-set-formula.ts';
import { type Anchor, type Plan, placesOf, planOf } from './value-set-plan.ts';
import { checked } from './value-set-regex.ts';
import type { Selected, Selection } from './value-set-select.ts';
import { conditionSql, eachWordSql, type Ground } from './value-set-sql.ts';

/** Beyond so many that fit, how many there are in all is not counted: it would take longer than the page. */
const COUNTED_MAX = 10_000;
/** The first of the system, in which words are looked for before the index is asked. */
const EARLY_CONCEPTS = 2_000;
const EARLY_PAGE_MAX = 200;

const patternOf = (formula: Formula): string => {
  if (formula.kind === 'regex') return formula.pattern;
  if (formula.kind === 'and' || formula.kind === 'or')
    return formula.of.map(patternOf).find((each) => each !== '') ?? '';
  return formula.kind === 'not' ? patternOf(formula.of) : '';
};

/** Prepared under its own text: formulas have few shapes, their values are parameters. */
const shaped = (table: TableSystem, text: string): Statement => systemStatement(table.cs, shapeName(text), () => text);

/** FNV-1a, twice 32 bits: two shapes of one system with the same name would need some billion of them. */
function shapeName(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x01000193;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ text.charCodeAt(i), 0x85ebca6b);
  }
  return `vs_${(a >>> 0).toString(36)}${(b >>> 0).toString(36)}_${text.length}`;
}

const conditionOf = ({ condition }: Plan, prefix = ' where '): string =>
  condition === undefined ? '' : prefix + condition;

/** The numbers of what fits: a statement of one column, in no order. */
function numbersSql(concept: string, plan: Plan): string {
  if (plan.source === undefined) return `select c.n from ${concept} c${conditionOf(plan)}`;
  if (plan.condition === undefined) return plan.source;
  return `select c.n from (${plan.source}) s join ${concept} c on c.n = s.n${conditionOf(plan)}`;
}

async function countOf(db: Queryable, table: TableSystem, plan: Plan): Promise<number | undefined> {
  const numbers = numbersSql(tableOf('concept', table.cs), plan);
  const text = `select count(*)::int as total from (select from (${numbers}) f limit ${COUNTED_MAX + 1}) counted`;
  const [row] = await db.query<{ total: number }>(shaped(table, text), plan.values);
  return row!.total > COUNTED_MAX ? undefined : row!.total;
}

/** Numbers run from 0 without gaps. */
async function pageOfAll(db: Queryable, { cs }: TableSystem, { offset, count }: Selection): Promise<Concept[]> {
  const statement = systemStatement(
    cs,
    'page_of_all',
    () => `select ${CONCEPT} from ${tableOf('concept', cs)} c where c.n >= $1 order by c.n limit $2`,
  );
  return (await db.query<ConceptLine>(statement, [offset, count])).map(conceptOf);
}

async function pageOf(db: Queryable, table: TableSystem, plan: Plan, selection: Selection): Promise<Concept[]> {
  const { offset, count } = selection;
  if (count === 0) return [];
  if (plan.source === undefined && plan.condition === undefined) return pageOfAll(db, table, selection);
  const { values } = plan;
  const concept = tableOf('concept', table.cs);
  const [skip, limit] = [`$${values.length + 1}`, `$${values.length + 2}`];
  const text = `select ${CONCEPT} from (select n from (${numbersSql(concept, plan)}) f order by n offset ${skip} limit ${limit}) p
    join ${concept} c on c.n = p.n order by c.n`;
  return (await db.query<ConceptLine>(shaped(table, text), [...values, offset, count])).map(conceptOf);
}

/** Page and total of one statement, where the order takes all that fits anyhow: words are looked up once. */
async function foundByWords(db: Queryable, table: TableSystem, plan: Plan, selection: Selection): Promise<Selected> {
  const { values } = plan;
  const { offset, count } = selection;
  const concept = tableOf('concept', table.cs);
  const text = `with found as materialized (${numbersSql(concept, plan)}),
      page as (select n from found order by n offset $${values.length + 1} limit $${values.length + 2})
    select ${CONCEPT}, t.total from (select count(*)::int as total from found) t
      left join (page p join ${concept} c on c.n = p.n) on true order by c.n`;
  const rows = await db.query<ConceptLine & { total: number }>(shaped(table, text), [...values, offset, count]);
  const { total } = rows[0]!;
  noteCommon(db, table, selection, total);
  return { concepts: rows.filter(({ code }) => code !== null).map(conceptOf), total };
}

/** Needs no set of its own to be worked out before the first concept can be tested. */
function isQuick(formula: Formula): boolean {
  if (formula.kind === 'and' || formula.kind === 'or') return formula.of.every(isQuick);
  if (formula.kind === 'not') return isQuick(formula.of);
  return formula.kind !== 'ecl' && formula.kind !== 'regex';
}

const identities = new WeakMap<object, number>();
let identified = 0;

function identityOf(each: object): number {
  let known = identities.get(each);
  if (known === undefined) {
    known = ++identified;
    identities.set(each, known);
  }
  return known;
}

/** How many concepts have the words, where they are many: tables don't change. By formula, then by system and words. */
const common = new WeakMap<Formula, Map<string, number>>();
const COMMON_MIN = 5_000;
const COMMON_KEPT_MAX = 1_000;
/** Beginnings of words of so many characters are common, or there are few concepts anyhow. */
const SHORT_CHARACTERS = 2;

const wordsKey = (db: Queryable, { cs }: TableSystem, { words }: Selection): string =>
  `${identityOf(db)}/${cs} ${words.join(' ')}`;

function noteCommon(db: Queryable, table: TableSystem, selection: Selection, total: number): void {
  if (total < COMMON_MIN) return;
  const known = common.get(selection.where) ?? new Map<string, number>();
  common.set(selection.where, known);
  if (known.size >= COMMON_KEPT_MAX) known.clear();
  known.set(wordsKey(db, table, selection), total);
}

/**
 * Words that many concepts have fill a page with the first of the system: looking there first costs 1 ms, where the index
 * yields 133,000 concepts in 100 ms. Undefined when the words are not known to be common, or the page isn't filled.
 */
async function foundEarly(
  db: Queryable,
  table: TableSystem,
  places: ReadonlyMap<string, Anchor>,
  selection: Selection,
): Promise<Selected | undefined> {
  const { where, words, offset, count } = selection;
  const total = common.get(where)?.get(wordsKey(db, table, selection));
  if (total === undefined && words.some(({ length }) => length > SHORT_CHARACTERS)) return undefined;
  if (offset + count > EARLY_PAGE_MAX || count === 0 || table.concepts <= EARLY_CONCEPTS || !isQuick(where))
    return undefined;
  const values: unknown[] = [];
  const ground: Ground = { table, places, parameter: (value) => `$${values.push(value)}` };
  const conditions = `${eachWordSql(ground, words)} and ${conditionSql(ground, where)}`;
  // The offset keeps the planner from asking the index of words, which is what this is to spare.
  const first = `select * from ${tableOf('concept', table.cs)} where n < ${EARLY_CONCEPTS} order by n offset 0`;
  const text = `select ${CONCEPT} from (${first}) c where ${conditions} order by c.n limit ${offset + count}`;
  const rows = await db.query<ConceptLine>(shaped(table, text), values);
  if (rows.length < offset + count) return undefined;
  return { concepts: rows.slice(offset).map(conceptOf), total };
}

export async function selectInTable(db: Queryable, table: TableSystem, selection: Selection): Promise<Selected> {
  const { where } = selection;
  const places = await placesOf(db, table, where);
  const plan = planOf(table, selection, places);
  return checked(patternOf(where), db, async (own) => {
    if (plan.byWords) {
      return (await foundEarly(own, table, places, selection)) ?? foundByWords(own, table, plan, selection);
    }
    const [concepts, total] = await Promise.all([
      pageOf(own, table, plan, selection),
      plan.total ?? countOf(own, table, plan),
    ]);
    return { concepts, total };
  });
}

async function testNow(
  db: Queryable,
  table: TableSystem,
  where: Formula,
  numbers: readonly number[],
): Promise<boolean[]> {
  const places = await placesOf(db, table, where);
  const values: unknown[] = [numbers];
  const ground: Ground = { table, places, parameter: (value) => `$${values.push(value)}` };
  const condition = conditionSql(ground, where);
  const text = `select c.n from ${tableOf('concept', table.cs)} c where c.n = any($1::int[]) and ${condition}`;
  const rows = await checked(patternOf(where), db, (own) => own.query<{ n: number }>(shaped(table, text), values));
  const holds = new Set(rows.map(({ n }) => n));
  return numbers.map((n) => holds.has(n));
}

interface Asked {
  db: Queryable;
  table: TableSystem;
  where: Formula;
  n: number;
}

/** What is asked of one formula at the same moment is one statement. */
const testOne = createGather<Asked, boolean>({
  lanesMax: 2,
  itemsMax: 200,
  weigh: () => 1,
  weightMax: 200,
  key: ({ db, table, where }) => `${identityOf(db)}/${table.cs}/${identityOf(where)}`,
  run: (items) => {
    const { db, table, where } = items[0]!;
    return testNow(
      db,
      table,
      where,
      items.map(({ n }) => n),
    );
  },
});

/** Whether the formula holds for each of the concepts, by number: no expansion. */
export async function testInTable(
  db: Queryable,
  table: TableSystem,
  where: Formula,
  concepts: readonly Concept[],
): Promise<boolean[]> {
  if (where.kind === 'all' || where.kind === 'none') return concepts.map(() => where.kind === 'all');
  return Promise.all(concepts.map(({ n }) => testOne({ db, table, where, n })));
}

interface PropertyLine {
  n: number;
  grp: number;
  type: PropertyType;
  code: string;
  value: string;
  system: string | null;
  display: string | null;
}

/** By number. */
export async function tableProperties(
  db: Queryable,
  { cs }: TableSystem,
  concepts: readonly Concept[],
): Promise<Map<number, Property[]>> {
  const statement = systemStatement(
    cs,
    'properties',
    () => `select n, grp, type, code, value, system, display from ${tableOf('concept_property', cs)}
      where n = any($1::int[]) order by n, ctid`,
  );
  const found = new Map<number, Property[]>();
  for (const { n, grp, type, code, value, system, display } of await db.query<PropertyLine>(statement, [
    concepts.map((concept) => concept.n),
  ])) {
    const property: Property = {
      ...{ code, type, value },
      ...(system !== null && { system }),
      ...(display !== null && { display }),
      ...(grp !== 0 && { group: grp }),
    };
    const known = found.get(n);
    if (known) known.push(property);
    else found.set(n, [property]);
  }
  return found;
}

/** By number, the numbers of those directly above. */
export async function tableParents(
  db: Queryable,
  { cs }: TableSystem,
  concepts: readonly Concept[],
): Promise<Map<number, number[]>> {
  const statement = systemStatement(
    cs,
    'parents',
    () => `select n, parents from ${tableOf('concept_lineage', cs)} where n = any($1::int[])`,
  );
  const rows = await db.query<{ n: number; parents: number[] }>(statement, [concepts.map(({ n }) => n)]);
  return new Map(rows.map(({ n, parents }) => [n, parents]));
}

/** By number, the codes of those directly above. */
export async function tableParentCodes(
  db: Queryable,
  { cs }: TableSystem,
  concepts: readonly Concept[],
): Promise<Map<number, string[]>> {
  const statement = systemStatement(
    cs,
    'parent_codes',
    () => `select l.n, array(select c.code from ${tableOf('concept', cs)} c where c.n = any(l.parents) order by c.n) as codes
      from ${tableOf('concept_lineage', cs)} l where l.n = any($1::int[])`,
  );
  const rows = await db.query<{ n: number; codes: string[] }>(statement, [concepts.map(({ n }) => n)]);
  return new Map(rows.map(({ n, codes }) => [n, codes]));
}
