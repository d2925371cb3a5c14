// Search criteria as SQL conditions: https://hl7.org/fhir/R4/search.html
import { type AccessScope, type Criterion, foldString, type SearchParam, type SearchValue } from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs, isNarrower, token } from '../store/index-rows.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { around, rangeCondition } from './ranges.ts';
import type { SqlBuilder } from './sql-text.ts';

export interface ConditionContext {
  sql: SqlBuilder;
  scope: AccessScope;
  resourceTypes: readonly string[];
  /** For `ap` on dates. */
  nowMs: number;
  /**
   * `join`: index rows as `rid in (…)`, for the planner to choose the way; `probe`: looked up row by row, for walks
   * that stop early. OFFSET 0 keeps the planner from turning the probe into a join over the whole index.
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

/** Rows of an index table that meet `condition`, as a condition on the resource `m`. */
function inIndex(
  ctx: ConditionContext,
  table: string,
  param: SearchParam,
  m: string,
  condition: (x: string) => string,
) {
  const x = ctx.sql.alias();
  const from = `from ${table} ${x} where ${ofParam(ctx.sql, x, param)}`;
  if (ctx.style === 'join') return `${m}.rid in (select ${x}.rid ${from} and ${condition(x)})`;
  return `exists (select 1 ${from} and ${x}.rid = ${m}.rid and ${condition(x)} offset 0)`;
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

function referenceCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const keys = targetKeys(ctx, criterion);
  const urls = criterionHashes(ctx, criterion);
  const parts: string[] = [];
  if (keys.length > 0) {
    const [first, ...rest] = keys;
    const test =
      rest.length === 0
        ? `= ${ctx.sql.value(first)}::bigint`
        : `= any(${ctx.sql.value(`{${keys.join(',')}}`)}::bigint[])`;
    parts.push(inIndex(ctx, 'index_reference', criterion.param, m, (x) => `${x}.target ${test}`));
  }
  if (urls.length > 0) parts.push(hasTokens(ctx, m, urls));
  return parts.length === 0 ? 'false' : or(parts);
}

/** The hashes of all alternatives of a token or uri criterion, and of references to elsewhere. */
export function criterionHashes(ctx: ConditionContext, criterion: Criterion): string[] {
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

function uriCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  if (criterion.modifier === undefined) return hasTokens(ctx, m, criterionHashes(ctx, criterion));
  const uris = criterion.values.map((value) => (value as { value: string }).value);
  if (criterion.modifier === 'below') {
    return inIndex(ctx, 'index_string', criterion.param, m, (x) => or(uris.map((uri) => startsWith(ctx, x, uri))));
  }
  if (criterion.modifier === 'above') {
    const all = ctx.sql.value([...new Set(uris.flatMap(ancestors))]);
    return inIndex(ctx, 'index_string', criterion.param, m, (x) => `${x}.value = any(${all}::text[])`);
  }
  throw unsupported(criterion);
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
  const rows = `exists (select 1 from ${table} x where x.rid = ${m}.rid and ${ofParam(ctx.sql, 'x', param)})`;
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

function chainCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const branches = (criterion.chain ?? []).map(({ type, criterion: inner }) => {
    const t = ctx.sql.alias();
    const conditions = [scopeCondition(ctx, t), condition({ ...ctx, style: 'join' }, inner, t)];
    return inIndex(
      ctx,
      'index_reference',
      criterion.param,
      m,
      (x) => `${x}.target in (select ${t}.key from ${currentTable(type)} ${t} where ${conditions.join(' and ')})`,
    );
  });
  return or(branches);
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
  if (criterion.chain) return chainCondition(ctx, criterion, m);
  if (modifier === 'missing') return missingCondition(ctx, criterion, m);
  if (param.code === '_id') {
    const ids = criterion.values.map((value) => (value.kind === 'token' ? (value.code ?? '') : value.text));
    return `${modifier === 'not' ? 'not ' : ''}${m}.id = any(${ctx.sql.value(ids)}::text[])`;
  }
  if (param.code === '_lastUpdated') return lastUpdatedCondition(ctx, criterion, m);
  switch (param.type) {
    case 'token':
      if (modifier === 'not') return `not (${hasTokens(ctx, m, criterionHashes(ctx, criterion))})`;
      if (modifier !== undefined) throw unsupported(criterion);
      return hasTokens(ctx, m, criterionHashes(ctx, criterion));
    case 'reference':
      return referenceCondition(ctx, criterion, m);
    case 'uri':
      return uriCondition(ctx, criterion, m);
    case 'string':
      return inIndex(ctx, 'index_string', param, m, (x) =>
        or(criterion.values.map((value) => stringTest(ctx, criterion, (value as { value: string }).value, x))),
      );
    case 'date':
    case 'number':
    case 'quantity':
      if (modifier !== undefined) throw unsupported(criterion);
      return inIndex(ctx, tables[param.type]!, param, m, (x) =>
        or(criterion.values.map((value) => rangeCondition(ctx.sql, value, x, ctx.nowMs))),
      );
    default:
      throw new CerebraError('unsupported', `Parameters of type '${param.type}' can't be searched`, {
        expression: [criterion.name],
      });
  }
}
