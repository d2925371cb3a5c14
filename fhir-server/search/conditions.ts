// Search criteria as SQL conditions: https://hl7.org/fhir/R4/search.html
import {
  type AccessScope,
  type Criterion,
  foldString,
  parseReference,
  type SearchParam,
  type SearchValue,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs, isNarrower, token } from '../store/index-rows.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { around, rangeArms, rangeCondition } from './ranges.ts';
import type { SqlBuilder } from './sql-text.ts';

export interface ConditionContext {
  sql: SqlBuilder;
  scope: AccessScope;
  resourceTypes: readonly string[];
  /** For `ap` on dates. */
  nowMs: number;
  /**
   * `join`: index rows as `rid in (…)`, for the planner to choose the way; `probe`: looked up row by row, where few
   * resources are left to be tested.
   */
  style: 'join' | 'probe';
}

const unsupported = (criterion: Criterion): CerebraError =>
  new CerebraError(
    'unsupported',
    `The modifier ':${criterion.modifier}' is not supported on '${criterion.param.code}'`,
    {
      expression: [criterion.name],
    },
  );

/** The index rows `x` of a parameter. */
export function ofParam(sql: SqlBuilder, x: string, param: SearchParam): string {
  const [first, ...rest] = indexedAs(param);
  if (rest.length === 0) return `${x}.param = ${sql.value(first!.key)}`;
  return `${x}.param = any(${sql.value([first!, ...rest].map(({ key }) => key))}::int[])`;
}

/**
 * The rows of one resource in an index table. OFFSET 0 keeps every other condition out: without statistics the planner
 * takes an index that begins with `param` and reads all values of the parameter for each resource (4 ms instead of 0.01).
 */
export const rowsOf = (table: string, m: string): string => `(select * from ${table} where rid = ${m}.rid offset 0)`;

/** A condition that rows of an index table meet, for a criterion or for several that mean the same row. */
export interface IndexTest {
  table: string;
  param: SearchParam;
  test(x: string): string;
  /** Parts of the index that hold all such rows; absent: the test itself says where to look. */
  arms?(x: string): string[];
}

function inIndex(ctx: ConditionContext, { table, param, test }: IndexTest, m: string): string {
  const x = ctx.sql.alias();
  const where = `where ${ofParam(ctx.sql, x, param)} and ${test(x)}`;
  if (ctx.style === 'join') return `${m}.rid in (select ${x}.rid from ${table} ${x} ${where})`;
  return `exists (select 1 from ${rowsOf(table, m)} ${x} ${where})`;
}

/** The rids that meet the test, some more than once. */
export function indexedRids(ctx: ConditionContext, { table, param, test, arms }: IndexTest): string {
  const x = ctx.sql.alias();
  const from = `select ${x}.rid from ${table} ${x} where ${ofParam(ctx.sql, x, param)} and ${test(x)}`;
  return (arms?.(x) ?? ['true']).map((arm) => `${from} and ${arm}`).join(' union all ');
}

const or = (parts: string[]): string => (parts.length === 1 ? parts[0]! : `(${parts.join(' or ')})`);

function hasTokens(ctx: ConditionContext, m: string, hashes: string[]): string {
  const list = ctx.sql.value(`{${hashes.join(',')}}`);
  return `${m}.tokens ${hashes.length === 1 ? '@>' : '&&'} ${list}::bigint[]`;
}

/** Nothing when the parameter's one system is another. */
function tokenHashes(param: SearchParam, value: SearchValue & { kind: 'token' }): string[] {
  const { system, code } = value;
  if (param.codeSystem === undefined) return [tokenHash(param, value)];
  if (system !== undefined && system !== param.codeSystem) return [];
  return [code === undefined ? token.present(param) : token.anySystem(param, code)];
}

function tokenHash(param: SearchParam, value: SearchValue & { kind: 'token' }): string {
  if (value.code === undefined) return token.anyCode(param, value.system ?? '');
  if (value.system === undefined) return token.anySystem(param, value.code);
  return token.exact(param, value.system, value.code);
}

/** The keys that the alternatives of a reference criterion name: `Patient/1` one, `1` one for each possible type. */
function targetKeys(ctx: ConditionContext, criterion: Criterion): string[] {
  const { param, modifier } = criterion;
  const only = param.sameAs?.[0]?.targetType;
  const possible = only !== undefined ? [only] : param.target.length > 0 ? param.target : ctx.resourceTypes;
  return criterion.values.flatMap((value) => {
    if (value.kind !== 'reference' || value.url !== undefined) return [];
    const wanted = value.type ?? modifier;
    const types = wanted === undefined ? possible : only === undefined || only === wanted ? [wanted] : [];
    return types.map((type) => resourceKey(type, value.id ?? ''));
  });
}

function referenceTest(ctx: ConditionContext, { param }: Criterion, keys: string[]): IndexTest {
  const test = (x: string) =>
    keys.length === 1
      ? `${x}.target = ${ctx.sql.value(keys[0])}::bigint`
      : `${x}.target = any(${ctx.sql.value(`{${keys.join(',')}}`)}::bigint[])`;
  return { table: 'index_reference', param, test };
}

/**
 * References to elsewhere. `patient`, indexed as `subject`, takes those that name the type, and those that don't (a
 * urn:uuid) where the resource is known to have a reference of its type.
 */
function urlConditions(ctx: ConditionContext, { param, values }: Criterion, m: string): string[] {
  const only = param.sameAs?.[0]?.targetType;
  const urls = values.flatMap((value) => (value.kind === 'reference' && value.url !== undefined ? [value.url] : []));
  const typeOf = (url: string) => {
    const parsed = parseReference(url);
    return parsed.kind === 'absolute' ? parsed.type : undefined;
  };
  const hashes = (some: string[]) => some.flatMap((url) => indexedAs(param).map((source) => token.url(source, url)));
  if (only === undefined) return urls.length > 0 ? [hasTokens(ctx, m, hashes(urls))] : [];
  const named = urls.filter((url) => typeOf(url) === only);
  const unnamed = urls.filter((url) => typeOf(url) === undefined);
  const parts = named.length > 0 ? [hasTokens(ctx, m, hashes(named))] : [];
  if (unnamed.length > 0) {
    parts.push(`(${hasTokens(ctx, m, hashes(unnamed))} and ${hasTokens(ctx, m, [token.present(param)])})`);
  }
  return parts;
}

function referenceCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const keys = targetKeys(ctx, criterion);
  const parts = keys.length > 0 ? [inIndex(ctx, referenceTest(ctx, criterion, keys), m)] : [];
  parts.push(...urlConditions(ctx, criterion, m));
  return parts.length === 0 ? 'false' : or(parts);
}

/** The hashes of all alternatives of a token or uri criterion, and of references to elsewhere. */
export function criterionHashes(criterion: Criterion): string[] {
  const sources = indexedAs(criterion.param);
  return criterion.values.flatMap((value) => {
    if (value.kind === 'token') return sources.flatMap((source) => tokenHashes(source, value));
    if (value.kind === 'reference') {
      return value.url === undefined ? [] : sources.map((source) => token.url(source, value.url!));
    }
    if (value.kind === 'uri') return sources.map((source) => token.url(source, value.value));
    return [];
  });
}

/** LIKE patterns: the client's `%`, `_` and `\` stand for themselves. */
const like = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

/** index_string's B-tree holds the first 100 characters: of PostgreSQL's, which are code points. */
const INDEXED_CHARACTERS = 100;

/** What `left(text, 100)` yields. */
const indexed = (text: string): string =>
  text.length <= INDEXED_CHARACTERS
    ? text
    : [...text.slice(0, 2 * INDEXED_CHARACTERS)].slice(0, INDEXED_CHARACTERS).join('');

function startsWith(ctx: ConditionContext, x: string, text: string): string {
  const head = ctx.sql.value(`${like(indexed(text))}%`);
  const short = `left(${x}.value, ${INDEXED_CHARACTERS}) like ${head}`;
  if (text.length <= INDEXED_CHARACTERS) return short;
  return `(${short} and ${x}.value like ${ctx.sql.value(`${like(text)}%`)})`;
}

function stringTest(ctx: ConditionContext, criterion: Criterion, text: string, x: string): string {
  const folded = foldString(text);
  if (criterion.modifier === undefined) return startsWith(ctx, x, folded);
  if (criterion.modifier === 'contains') return `${x}.value like ${ctx.sql.value(`%${like(folded)}%`)}`;
  if (criterion.modifier === 'exact') {
    const head = ctx.sql.value(indexed(folded));
    return `(left(${x}.value, ${INDEXED_CHARACTERS}) = ${head} and coalesce(${x}.exact, ${x}.value) = ${ctx.sql.value(text)})`;
  }
  throw unsupported(criterion);
}

/** `http://a/b/c` → itself and what it is below: `http://a/b`, `http://a`. */
function ancestors(uri: string): string[] {
  const found = [uri];
  for (let end = uri.lastIndexOf('/'); end > 0 && uri[end - 1] !== '/'; end = uri.lastIndexOf('/', end - 1)) {
    found.push(uri.slice(0, end), uri.slice(0, end + 1));
  }
  return found;
}

function uriTest(ctx: ConditionContext, { param, modifier, values }: Criterion): IndexTest | undefined {
  const uris = values.map((value) => (value as { value: string }).value);
  const table = 'index_string';
  if (modifier === 'below') return { table, param, test: (x) => or(uris.map((uri) => startsWith(ctx, x, uri))) };
  if (modifier !== 'above') return undefined;
  const all = [...new Set(uris.flatMap(ancestors))];
  const heads = [...new Set(all.map(indexed))];
  const isAny = (texts: string[]) => `= any(${ctx.sql.value(texts)}::text[])`;
  const test = (x: string) => `left(${x}.value, ${INDEXED_CHARACTERS}) ${isAny(heads)} and ${x}.value ${isAny(all)}`;
  return { table, param, test };
}

const tables: Partial<Record<SearchParam['type'], string>> = {
  date: 'index_date',
  number: 'index_number',
  quantity: 'index_quantity',
  string: 'index_string',
  reference: 'index_reference',
};

function presentCondition(ctx: ConditionContext, param: SearchParam, m: string): string {
  const table = tables[param.type];
  const inTokens = () => hasTokens(ctx, m, (isNarrower(param) ? [param] : indexedAs(param)).map(token.present));
  if (!table || isNarrower(param)) return inTokens();
  const from = ctx.style === 'join' ? `${table} x where x.rid = ${m}.rid and` : `${rowsOf(table, m)} x where`;
  const rows = `exists (select 1 from ${from} ${ofParam(ctx.sql, 'x', param)})`;
  return param.type === 'reference' ? `(${rows} or ${inTokens()})` : rows;
}

function missingCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const { param } = criterion;
  const wanted = criterion.values.some((value) => value.kind === 'missing' && value.missing);
  if (param.code === '_id' || param.code === '_lastUpdated') return wanted ? 'false' : 'true';
  const present = presentCondition(ctx, param, m);
  return wanted ? `not (${present})` : present;
}

function lastUpdatedCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const test = (given: SearchValue) => {
    if (given.kind !== 'date') throw unsupported(criterion);
    const value = given.prefix === 'ap' ? { ...given, ...around(given, ctx.nowMs) } : given;
    const at = (ms: number) => `to_timestamp(${ctx.sql.value(ms / 1000)}::float8)`;
    const after = () => `${m}.updated >= ${at(value.hi + 1)}`;
    const from = () => `${m}.updated >= ${at(value.lo)}`;
    const before = () => `${m}.updated < ${at(value.lo)}`;
    const until = () => `${m}.updated < ${at(value.hi + 1)}`;
    switch (value.prefix) {
      case 'gt':
      case 'sa':
        return after();
      case 'lt':
      case 'eb':
        return before();
      case 'ge':
        return from();
      case 'le':
        return until();
      case 'ne':
        return `not (${from()} and ${until()})`;
      default:
        return `(${from()} and ${until()})`;
    }
  };
  return or(criterion.values.map(test));
}

function chainTest(ctx: ConditionContext, { param, chain = [] }: Criterion): IndexTest {
  const branch = (x: string, type: string, inner: Criterion) => {
    const t = ctx.sql.alias();
    const conditions = [scopeCondition(ctx, t), condition({ ...ctx, style: 'join' }, inner, t)];
    const found = `${x}.target in (select ${t}.key from ${currentTable(type)} ${t} where ${conditions.join(' and ')})`;
    // IS TRUE: the targets are found once and hashed; a join would find them for each resource (0.5 instead of 9.5 s).
    return ctx.style === 'join' ? found : `(${found}) is true`;
  };
  const test = (x: string) => or(chain.map(({ type, criterion }) => branch(x, type, criterion)));
  return { table: 'index_reference', param, test };
}

/** The criterion as a test of index rows; undefined where tokens or the resource's own columns answer it. */
function indexTest(ctx: ConditionContext, criterion: Criterion): IndexTest | undefined {
  const { param, modifier, values } = criterion;
  if (criterion.chain) return chainTest(ctx, criterion);
  if (modifier === 'missing' || param.code === '_lastUpdated') return undefined;
  const table = tables[param.type];
  switch (param.type) {
    case 'reference': {
      const keys = targetKeys(ctx, criterion);
      return keys.length > 0 && criterionHashes(criterion).length === 0
        ? referenceTest(ctx, criterion, keys)
        : undefined;
    }
    case 'uri':
      return uriTest(ctx, criterion);
    case 'string':
      return {
        ...{ table: table!, param },
        test: (x) => or(values.map((value) => stringTest(ctx, criterion, (value as { value: string }).value, x))),
      };
    case 'date':
    case 'number':
    case 'quantity': {
      if (modifier !== undefined) throw unsupported(criterion);
      const test = (x: string) => or(values.map((value) => rangeCondition(ctx.sql, value, x, ctx.nowMs)));
      const [value] = values;
      const arms = values.length === 1 ? rangeArms(ctx.sql, value!, ctx.nowMs) : undefined;
      return { table: table!, param, test, ...(arms && { arms }) };
    }
    default:
      return undefined;
  }
}

/** Whether two criteria on the parameter speak of the same row, since a resource has one at most. */
export const isOneRow = ({ param, modifier, chain }: Criterion): boolean =>
  param.single === true &&
  param.code !== '_lastUpdated' &&
  modifier === undefined &&
  !chain &&
  indexedAs(param).length === 1;

/** Criteria that are tested together: those on one date of one parameter, `ge` and `lt` for instance; all others alone. */
export function groups(criteria: readonly Criterion[]): Criterion[][] {
  const together = new Map<SearchParam, Criterion[]>();
  const found: Criterion[][] = [];
  for (const criterion of criteria) {
    const known = isOneRow(criterion) ? together.get(criterion.param) : undefined;
    if (known) known.push(criterion);
    else {
      const group = [criterion];
      found.push(group);
      if (isOneRow(criterion)) together.set(criterion.param, group);
    }
  }
  return found;
}

/** The group as one test of index rows; see indexTest. */
export function groupTest(ctx: ConditionContext, group: readonly Criterion[]): IndexTest | undefined {
  const [first, ...rest] = group.map((criterion) => indexTest(ctx, criterion));
  if (!first || rest.length === 0) return first;
  const all = [first, ...(rest as IndexTest[])];
  const armed = all.find((one) => one.arms);
  const test = (x: string) => all.map((one) => one.test(x)).join(' and ');
  return { table: first.table, param: first.param, test, ...(armed?.arms && { arms: armed.arms }) };
}

/** A group as a condition on the current row called `m`. */
export function groupCondition(ctx: ConditionContext, group: readonly Criterion[], m: string): string {
  if (group.length === 1) return condition(ctx, group[0]!, m);
  return inIndex(ctx, groupTest(ctx, group)!, m);
}

/** The access scope as a condition on `m`. */
export function scopeCondition(ctx: ConditionContext, m: string): string {
  const access = scopeSql(ctx.scope);
  const first = ctx.sql.values.length + 1;
  ctx.sql.values.push(...access.values);
  return access.condition(m, first);
}

/** One criterion as a condition on the current row called `m`. */
export function condition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const { param, modifier } = criterion;
  if (modifier === 'missing' && !criterion.chain) return missingCondition(ctx, criterion, m);
  const test = indexTest(ctx, criterion);
  if (test) return inIndex(ctx, test, m);
  if (param.code === '_id') {
    const ids = criterion.values.map((value) => (value.kind === 'token' ? (value.code ?? '') : value.text));
    return `${modifier === 'not' ? 'not ' : ''}${m}.id = any(${ctx.sql.value(ids)}::text[])`;
  }
  if (param.code === '_lastUpdated') return lastUpdatedCondition(ctx, criterion, m);
  if (param.type === 'reference') return referenceCondition(ctx, criterion, m);
  if (param.type !== 'token' && param.type !== 'uri') {
    throw new CerebraError('unsupported', `Parameters of type '${param.type}' can't be searched`, {
      expression: [criterion.name],
    });
  }
  const found = hasTokens(ctx, m, criterionHashes(criterion));
  if (modifier === undefined) return found;
  if (modifier === 'not' && param.type === 'token') return `not (${found})`;
  throw unsupported(criterion);
}
