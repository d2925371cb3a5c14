// What an ECL expression selects, as SQL over the tables of a code system: https://confluence.ihtsdotools.org/display/DOCECL
// Attributes are properties named by the attribute's concept id, as https://hl7.org/fhir/R4/snomedct.html tells.
import { CerebraError } from '#platform';
import {
  type Cardinality,
  type Ecl,
  type EclAttribute,
  type EclRefinement,
  type Hierarchy,
  parseEcl,
} from './ecl-parse.ts';
import { tableOf } from './tables.ts';

/** The property that says of which reference sets a concept is an active member: its values are their concept ids. */
export const REFSET_PROPERTY = 'memberOf';

/** Attributes are named by concept ids, other properties by words. */
const IS_ATTRIBUTE = "~ '^[0-9]+$'";

/** The index on property values has their first 100 characters. */
const isValue = (value: string, code: string): string => `left(${value}, 100) = ${code}`;

/**
 * Whether the value is among the rows of a statement, which runs once: `is true` keeps the planner from making a join of it.
 * It takes a concept to have nine descendants, and ran the statement for each of 50,000 rows: more than 30 s instead of 0.1.
 */
const among = (value: string, rows: string): string => `(${value} in (${rows})) is true`;

/** Whether the code is one of the set's. */
function inSet(c: Compiler, code: string, set: Ecl): string {
  const a = c.alias();
  return among(code, `select ${a}.code from ${c.concept} ${a} where ${a}.n in (${setSql(c, set)})`);
}

interface Compiler {
  concept: string;
  lineage: string;
  child: string;
  closure: string;
  property: string;
  /** `$7` */
  parameter(value: unknown): string;
  /** A name of its own for a table in this statement. */
  alias(): string;
}

function compilerOf(cs: number, values: unknown[]): Compiler {
  let aliases = 0;
  return {
    concept: tableOf('concept', cs),
    lineage: tableOf('concept_lineage', cs),
    child: tableOf('concept_child', cs),
    closure: tableOf('concept_closure', cs),
    property: tableOf('concept_property', cs),
    parameter: (value) => `$${values.push(value)}`,
    alias: () => `e${++aliases}`,
  };
}

/** Those next to a set of concepts in the hierarchy, without the set itself. */
const beside: Record<'<' | '<!' | '>' | '>!', (c: Compiler, set: string) => string> = {
  '<': (c, set) => `select distinct descendant as n from ${c.closure} where ancestor in (${set})`,
  '<!': (c, set) => `select distinct child as n from ${c.child} where parent in (${set})`,
  '>': (c, set) => `select distinct unnest(ancestors) as n from ${c.lineage} where n in (${set})`,
  '>!': (c, set) => `select distinct unnest(parents) as n from ${c.lineage} where n in (${set})`,
};

const withoutSelf: Record<Hierarchy, keyof typeof beside> = {
  ...{ '<': '<', '<<': '<', '<!': '<!', '<<!': '<!' },
  ...{ '>': '>', '>>': '>', '>!': '>!', '>>!': '>!' },
};

function hierarchySql(c: Compiler, operator: Hierarchy, of: Ecl): string {
  const set = setSql(c, of);
  const around = beside[withoutSelf[operator]](c, set);
  return operator === withoutSelf[operator] ? around : `(${set}) union (${around})`;
}

/** A statement that yields a column `n`, each number once. */
function setSql(c: Compiler, ecl: Ecl): string {
  switch (ecl.kind) {
    case 'concept':
      return `select n from ${c.concept} where code = ${c.parameter(ecl.code)}`;
    case 'any':
      return `select n from ${c.concept} where not inactive`;
    case 'hierarchy':
      return hierarchySql(c, ecl.operator, ecl.of);
    case 'memberOf':
      return membersSql(c, ecl.of);
    case 'and':
      return ecl.of.map((each) => `(${setSql(c, each)})`).join(' intersect ');
    case 'or':
      return ecl.of.map((each) => `(${setSql(c, each)})`).join(' union ');
    case 'minus':
      return `(${setSql(c, ecl.from)}) except (${setSql(c, ecl.without)})`;
    case 'refined':
      return refinedSql(c, ecl.of, ecl.by);
    case 'dotted': {
      const [p, a] = [c.alias(), c.alias()];
      return `select distinct ${a}.n from ${c.property} ${p} join ${c.concept} ${a} on ${a}.code = ${p}.value
        where ${among(`${p}.n`, setSql(c, ecl.of))} and ${p}.type = 'code' and ${nameSql(c, ecl.attribute, p)}`;
    }
  }
}

function membersSql(c: Compiler, of: Ecl): string {
  const members = `select distinct n from ${c.property} where code = ${c.parameter(REFSET_PROPERTY)}`;
  if (of.kind === 'any') return members;
  // A reference set's own concept may be in another module that is not loaded: its id is what counts.
  if (of.kind === 'concept') return `${members} and ${isValue('value', c.parameter(of.code))}`;
  return `${members} and ${inSet(c, 'value', of)}`;
}

/** Whether the property of that alias is the attribute. */
function nameSql(c: Compiler, name: Ecl, p: string): string {
  if (name.kind === 'concept') return `${p}.code = ${c.parameter(name.code)}`;
  if (name.kind === 'any') return `${p}.code ${IS_ATTRIBUTE}`;
  return inSet(c, `${p}.code`, name);
}

function valueSql(c: Compiler, { value, comparison }: EclAttribute, p: string): string {
  if (value.kind === 'concepts') {
    if (value.constraint.kind === 'any') return comparison === '=' ? `${p}.type = 'code'` : 'false';
    return `${p}.type = 'code' and ${comparison === '=' ? '' : 'not '}(${inSet(c, `${p}.value`, value.constraint)})`;
  }
  const operator = comparison === '!=' ? '<>' : comparison;
  if (value.kind === 'text') return `${p}.type = 'string' and ${p}.value ${operator} ${c.parameter(value.text)}`;
  const number = `case when ${p}.type in ('integer', 'decimal') then ${p}.value::numeric end`;
  return `${number} ${operator} ${c.parameter(value.digits)}::numeric`;
}

/**
 * What a refinement is true of: concepts, or role groups of concepts. Every refinement is a statement of its own that yields
 * these, and they are joined as sets: a condition on each concept in turn took 30 s where this takes 0.1 (100,000 concepts).
 */
interface Level {
  /** Columns by which they are told apart. */
  keys: string;
  /** Those of the property with that alias. */
  keysOf(p: string): string;
  /** All there are. */
  all: string;
  /** ` and …` that keeps to those that are asked about, by their number. */
  only(n: string): string;
}

const conceptLevel = (all: string, only: (n: string) => string): Level => ({
  keys: 'n',
  keysOf: (p) => `${p}.n`,
  ...{ all, only },
});

/** An attribute that stands in no group is a group of its own. */
function groupLevel(c: Compiler, { only }: Level): Level {
  const keysOf = (p: string): string =>
    `${p}.n, case when ${p}.grp > 0 then ${p}.grp::text else ${p}.ctid::text end as g`;
  const p = c.alias();
  const all = `select distinct ${keysOf(p)} from ${c.property} ${p} where ${p}.code ${IS_ATTRIBUTE}${only(`${p}.n`)}`;
  return { keys: 'n, g', keysOf, all, only };
}

/**
 * Those of the level that are among the rows of a statement as often as asked for: at least once if nothing is. It is made
 * only where it is needed: its parameters must all be used.
 */
function countedSql({ keys, all }: Level, cardinality: Cardinality | undefined, rowsSql: () => string): string {
  const { min, max } = cardinality ?? { min: 1, max: Number.POSITIVE_INFINITY };
  const isBounded = max !== Number.POSITIVE_INFINITY;
  if (min === 0 && !isBounded) return all;
  const rows = rowsSql();
  const counted = (having: string): string =>
    `select ${keys} from (${rows}) rows group by ${keys} having count(*) ${having}`;
  if (max === 0) return `(${all}) except (${rows})`;
  if (min === 0) return `(${all}) except (${counted(`> ${max}`)})`;
  if (isBounded) return counted(`between ${min} and ${max}`);
  return min === 1 ? `select distinct ${keys} from (${rows}) rows` : counted(`>= ${min}`);
}

function attributeSql(c: Compiler, by: EclAttribute, level: Level): string {
  const p = c.alias();
  if (!by.reverse) {
    return `select ${level.keysOf(p)} from ${c.property} ${p}
      where ${nameSql(c, by.name, p)} and ${valueSql(c, by, p)}${level.only(`${p}.n`)}`;
  }
  if (level.keys !== 'n' || by.value.kind !== 'concepts') {
    throw new CerebraError(
      'unsupported',
      'ECL: a reversed attribute is evaluated outside of groups and with concepts only',
    );
  }
  const a = c.alias();
  const source = by.value.constraint.kind === 'any' ? 'true' : among(`${p}.n`, setSql(c, by.value.constraint));
  return `select ${a}.n from ${c.property} ${p} join ${c.concept} ${a} on ${a}.code = ${p}.value
    where ${nameSql(c, by.name, p)} and ${p}.type = 'code'
      and ${by.comparison === '=' ? source : `not (${source})`}${level.only(`${a}.n`)}`;
}

/** A statement that yields the keys of the level, each once. */
function refinementSql(c: Compiler, by: EclRefinement, level: Level): string {
  switch (by.kind) {
    case 'all':
    case 'any':
      return by.of
        .map((each) => `(${refinementSql(c, each, level)})`)
        .join(by.kind === 'all' ? ' intersect ' : ' union ');
    case 'group':
      return countedSql(level, by.cardinality, () => {
        return `select n from (${refinementSql(c, by.within, groupLevel(c, level))}) g`;
      });
    case 'attribute':
      return countedSql(level, by.cardinality, () => attributeSql(c, by, level));
  }
}

function refinedSql(c: Compiler, of: Ecl, by: EclRefinement): string {
  const r = c.alias();
  if (of.kind === 'any') {
    const level = conceptLevel(setSql(c, of), () => '');
    return `select ${r}.n from (${refinementSql(c, by, level)}) ${r} join ${c.concept} using (n) where not inactive`;
  }
  const level = conceptLevel(`select n from ${r}`, (n) => ` and ${among(n, `select n from ${r}`)}`);
  return `with ${r} as materialized (${setSql(c, of)}) ${refinementSql(c, by, level)}`;
}

/**
 * A SELECT with one column, `n`: the numbers of the concepts (concept.n) of the code system `cs` that the expression
 * selects, each once. `values` gets the parameters that it uses, numbered on from those that are there. A concept that the
 * system does not have selects nothing. Throws as parseEcl does.
 */
export function eclSql(expression: string, cs: number, values: unknown[]): string {
  return setSql(compilerOf(cs, values), parseEcl(expression));
}
