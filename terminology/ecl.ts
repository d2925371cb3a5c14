// What an ECL expression selects, as SQL over the tables of a code system: https://confluence.ihtsdotools.org/display/DOCECL
// Attributes are properties named by the attribute's concept id, as https://hl7.org/fhir/R4/snomedct.html tells.
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

/** Whether the code is one of the set's. */
function inSet(c: Compiler, code: string, set: Ecl): string {
  const a = c.alias();
  return `${code} in (select ${a}.code from ${c.concept} ${a} where ${a}.n in (${setSql(c, set)}))`;
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
    case 'refined': {
      const row = c.alias();
      return `select ${row}.n from (${setSql(c, ecl.of)}) ${row} where ${refinementSql(c, ecl.by, `${row}.n`)}`;
    }
    case 'dotted': {
      const [p, a] = [c.alias(), c.alias()];
      return `select distinct ${a}.n from ${c.property} ${p} join ${c.concept} ${a} on ${a}.code = ${p}.value
        where ${p}.n in (${setSql(c, ecl.of)}) and ${p}.type = 'code' and ${nameSql(c, ecl.attribute, p)}`;
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

function valueSql(c: Compiler, { value, comparison, reverse }: EclAttribute, p: string): string {
  if (value.kind === 'concepts') {
    if (value.constraint.kind === 'any') return comparison === '=' ? `${p}.type = 'code'` : 'false';
    const within = reverse ? `${p}.n in (${setSql(c, value.constraint)})` : inSet(c, `${p}.value`, value.constraint);
    return `${p}.type = 'code' and ${comparison === '=' ? '' : 'not '}${within}`;
  }
  const operator = comparison === '!=' ? '<>' : comparison;
  if (value.kind === 'text') return `${p}.type = 'string' and ${p}.value ${operator} ${c.parameter(value.text)}`;
  const number = `case when ${p}.type in ('integer', 'decimal') then ${p}.value::numeric end`;
  return `${number} ${operator} ${c.parameter(value.digits)}::numeric`;
}

/** `rows` yields a number of rows; the condition is that it is as many as asked for, at least one if nothing is. */
function countSql(what: string, rows: string, cardinality: Cardinality | undefined): string {
  const { min, max } = cardinality ?? { min: 1, max: Number.POSITIVE_INFINITY };
  if (max === 0) return `not exists (select 1 ${rows})`;
  if (max === Number.POSITIVE_INFINITY && min === 1) return `exists (select 1 ${rows})`;
  if (max === Number.POSITIVE_INFINITY && min === 0) return 'true';
  const upper = max === Number.POSITIVE_INFINITY ? 2_147_483_647 : max;
  return `(select count(${what}) ${rows}) between ${min} and ${upper}`;
}

/** `within`: what keeps the properties to one role group. */
function refinementSql(c: Compiler, by: EclRefinement, n: string, within?: (p: string) => string): string {
  switch (by.kind) {
    case 'all':
    case 'any': {
      const parts = by.of.map((each) => refinementSql(c, each, n, within));
      return `(${parts.join(by.kind === 'all' ? ' and ' : ' or ')})`;
    }
    case 'group':
      return groupSql(c, by, n);
    case 'attribute': {
      const p = c.alias();
      const group = within ? ` and ${within(p)}` : '';
      const own = `(select code from ${c.concept} where n = ${n})`;
      const mine = by.reverse ? isValue(`${p}.value`, own) : `${p}.n = ${n}`;
      const rows = `from ${c.property} ${p} where ${mine}${group}
        and ${nameSql(c, by.name, p)} and ${valueSql(c, by, p)}`;
      return countSql('*', rows, by.cardinality);
    }
  }
}

/** An attribute that stands in no group is a group of its own. */
function groupSql(c: Compiler, { cardinality, within }: EclRefinement & { kind: 'group' }, n: string): string {
  const g = c.alias();
  const same = (p: string): string =>
    `${p}.n = ${g}.n and ${p}.grp = ${g}.grp and (${g}.grp > 0 or ${p}.ctid = ${g}.ctid)`;
  const rows = `from ${c.property} ${g} where ${g}.n = ${n} and ${g}.code ${IS_ATTRIBUTE}
    and ${refinementSql(c, within, n, same)}`;
  return countSql(`distinct case when ${g}.grp > 0 then ${g}.grp::text else ${g}.ctid::text end`, rows, cardinality);
}

/**
 * A SELECT with one column, `n`: the numbers of the concepts (concept.n) of the code system `cs` that the expression
 * selects, each once. `values` gets the parameters that it uses, numbered on from those that are there. A concept that the
 * system does not have selects nothing. Throws as parseEcl does.
 */
export function eclSql(expression: string, cs: number, values: unknown[]): string {
  return setSql(compilerOf(cs, values), parseEcl(expression));
}
