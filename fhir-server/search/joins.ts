// Criteria on other resources, and logic over criteria, as SQL: https://hl7.org/fhir/R4/search.html#chaining, #has,
// https://hl7.org/fhir/R4/search_filter.html. Each resource that takes part is tested against the access scope.
import type { Criterion, SearchParam } from '#fhir-model';
import { currentTable, resourceKey } from '../store/layout.ts';
import { linksByUrl, urlConditions, urlRids } from './by-url.ts';
import { condition, groupCondition, groups, scopeCondition } from './conditions.ts';
import { filterTest } from './filter-tests.ts';
import { type ConditionContext, indexedRids, inIndex, isOf, ofParam, or, rowsOf } from './index-tests.ts';
import { placeConditions, placeRids, withinOf } from './within.ts';

type Chain = NonNullable<Criterion['chain']>;
type Has = NonNullable<Criterion['has']>;
type Compartment = NonNullable<Criterion['compartment']>;

/** Whether the criterion is none that conditions.ts knows. */
export const isJoin = ({ chain, has, logic, compartment, filter }: Criterion): boolean =>
  (chain ?? has ?? logic ?? compartment ?? filter) !== undefined;

/** Keys are compared one by one up to so many; more are hashed: 5,000 one by one take 50 µs a row. */
const COMPARED_MAX = 16;

/** `expression` is one of these keys. */
function isOneOf(ctx: ConditionContext, expression: string, keys: readonly string[]): string {
  if (keys.length === 0) return 'false';
  const list = `${ctx.sql.value(`{${keys.join(',')}}`)}::bigint[]`;
  if (ctx.style === 'join' || keys.length <= COMPARED_MAX) return `${expression} = any(${list})`;
  // IS TRUE keeps it from becoming a join, which would find the rows of all keys.
  return `(${expression} in (select unnest(${list}))) is true`;
}

/** The row of `table` whose `column` is `value`, by its index: OFFSET 0 keeps the planner from any other way. */
const rowWhere = (table: string, column: 'key' | 'rid', value: string): string =>
  `(select * from ${table} where ${isOf(column, value)} offset 0)`;

const meets = (ctx: ConditionContext, criterion: Criterion, t: string): string =>
  `${scopeCondition(ctx, t)} and ${anyCondition(ctx, criterion, t)}`;

/** The reference row `x` leads to a resource that meets one of the chain's criteria. */
function leadsTo(ctx: ConditionContext, chain: Chain, x: string): string {
  const parts = chain.map(({ type, criterion }) => {
    const t = ctx.sql.alias();
    const table = currentTable(type);
    return ctx.style === 'join'
      ? `${x}.target in (select ${t}.key from ${table} ${t} where ${meets(ctx, criterion, t)})`
      : `exists (select 1 from ${rowWhere(table, 'key', `${x}.target`)} ${t} where ${meets(ctx, criterion, t)})`;
  });
  return `(${parts.join(' or ')})`;
}

function chainCondition(ctx: ConditionContext, criterion: Criterion, chain: Chain, m: string): string {
  const keys = ctx.joins?.get(criterion);
  const test = (x: string) => (keys ? isOneOf(ctx, `${x}.target`, keys) : leadsTo(ctx, chain, x));
  const rows = { table: 'index_reference', param: criterion.param, test };
  const outside = keys?.length === 0 ? [] : [rows];
  if (withinOf(ctx, criterion).length === 0 && !linksByUrl(ctx, criterion)) {
    return outside[0] ? inIndex(ctx, outside[0], m) : 'false';
  }
  if (ctx.style === 'join') {
    const rids = [...outside.map((each) => indexedRids(ctx, each)), ...tokenRids(ctx, criterion)];
    return `${m}.rid in (${rids.join(' union all ')})`;
  }
  return or([
    ...outside.map((each) => inIndex(ctx, each, m)),
    ...placeConditions(ctx, criterion, anyCondition, m),
    ...urlConditions(ctx, criterion, m),
  ]);
}

/** The rids of what meets a chain by tokens: through contained resources, and by canonical URLs. */
const tokenRids = (ctx: ConditionContext, chain: Criterion): string[] => [
  ...placeRids(ctx, chain, anyCondition),
  ...urlRids(ctx, chain),
];

function hasCondition(ctx: ConditionContext, criterion: Criterion, has: Has, m: string): string {
  const keys = ctx.joins?.get(criterion);
  if (keys) return isOneOf(ctx, `${m}.key`, keys);
  const named = ctx.canonicals?.get(criterion)?.keys ?? [];
  const refers = referredCondition(ctx, has, m);
  return named.length > 0 ? or([isOneOf(ctx, `${m}.key`, named), refers]) : refers;
}

function referredCondition(ctx: ConditionContext, has: Has, m: string): string {
  const [x, t] = [ctx.sql.alias(), ctx.sql.alias()];
  const table = currentTable(has.type);
  if (ctx.style === 'join') {
    const sources = `select ${t}.rid from ${table} ${t} where ${meets(ctx, has.criterion, t)}`;
    return `${m}.key in (select ${x}.target from index_reference ${x} where ${ofParam(ctx.sql, x, has.param)} and ${x}.rid in (${sources}))`;
  }
  const y = ctx.sql.alias();
  const rows = `(select ${y}.rid from index_reference ${y} where ${ofParam(ctx.sql, y, has.param)} and ${isOf(`${y}.target`, `${m}.key`)} offset 0)`;
  const source = `select 1 from ${rowWhere(table, 'rid', `${x}.rid`)} ${t} where ${meets(ctx, has.criterion, t)}`;
  return `exists (select 1 from ${rows} ${x} where exists (${source}))`;
}

/** The index row `x` refers to the compartment's resource by one of its parameters. */
function inCompartment(ctx: ConditionContext, { type, id, params }: Compartment, x: string): string {
  const keys = ctx.sql.value(params.flatMap(keysOf));
  return `${x}.param = any(${keys}::int[]) and ${x}.target = ${ctx.sql.value(resourceKey(type, id))}::bigint`;
}

const keysOf = (param: SearchParam): number[] =>
  (param.sameAs?.map((same) => same.param) ?? [param]).map(({ key }) => key);

function compartmentCondition(ctx: ConditionContext, compartment: Compartment, m: string): string {
  const x = ctx.sql.alias();
  const test = inCompartment(ctx, compartment, x);
  const refers =
    ctx.style === 'join'
      ? `${m}.rid in (select ${x}.rid from index_reference ${x} where ${test})`
      : `exists (select 1 from ${rowsOf('index_reference', m)} ${x} where ${test})`;
  return compartment.self ? `(${m}.id = ${ctx.sql.value(compartment.id)} or ${refers})` : refers;
}

/** A group (see conditions.ts) as a condition on the current row called `m`. */
export function anyGroup(ctx: ConditionContext, group: readonly Criterion[], m: string): string {
  const [first] = group;
  return group.length === 1 && first ? anyCondition(ctx, first, m) : groupCondition(ctx, group, m);
}

function logicCondition(ctx: ConditionContext, { op, criteria }: NonNullable<Criterion['logic']>, m: string): string {
  const all = op === 'and' ? groups(criteria) : criteria.map((criterion) => [criterion]);
  const parts = all.map((group) => anyGroup(ctx, group, m));
  return op === 'not' ? `not (${parts.join(' and ')})` : `(${parts.join(` ${op} `)})`;
}

/** One criterion of any kind as a condition on the current row called `m`. */
export function anyCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const { chain, has, logic, compartment, filter } = criterion;
  if (chain) return chainCondition(ctx, criterion, chain, m);
  if (has) return hasCondition(ctx, criterion, has, m);
  if (logic) return logicCondition(ctx, logic, m);
  if (compartment) return compartmentCondition(ctx, compartment, m);
  const test = filter && filterTest(ctx, criterion);
  return test ? inIndex(ctx, test, m) : condition(ctx, criterion, m);
}

/**
 * The rids of the resources of `type` that meet a criterion on other resources, some more than once, by way of an index;
 * undefined where resolve.ts has not found the others. Not tested against the access scope.
 */
export function joinedRids(ctx: ConditionContext, type: string, criterion: Criterion): string | undefined {
  const { chain, compartment, param } = criterion;
  const m = ctx.sql.alias();
  const from = `select ${m}.rid from ${currentTable(type)} ${m} where`;
  if (compartment) {
    const refers = `select ${m}.rid from index_reference ${m} where ${inCompartment(ctx, compartment, m)}`;
    return compartment.self ? `${refers} union all ${from} ${m}.id = ${ctx.sql.value(compartment.id)}` : refers;
  }
  const keys = ctx.joins?.get(criterion);
  if (!keys) return undefined;
  if (!chain) return `${from} ${isOneOf(ctx, `${m}.key`, keys)}`;
  const outside = `select ${m}.rid from index_reference ${m} where ${ofParam(ctx.sql, m, param)} and ${isOneOf(ctx, `${m}.target`, keys)}`;
  return [outside, ...tokenRids(ctx, criterion)].join(' union all ');
}

/** What a criterion asks, as text: another for each other one. */
export function textOf({ name, param, values, filter, chain = [], has, logic, compartment }: Criterion): string {
  const own = [param.key, name, filter, logic?.op, compartment && `${compartment.type}/${compartment.id}`, has?.type];
  const inner = [...chain.map((link) => link.criterion), ...(has ? [has.criterion] : []), ...(logic?.criteria ?? [])];
  return `${own.join(' ')}=${values.map((value) => value.text).join(',')}(${inner.map(textOf).join(' ')})`;
}
