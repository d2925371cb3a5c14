// Search criteria as SQL conditions: https://hl7.org/fhir/R4/search.html
import {
  type Criterion,
  familyPartsKey,
  foldString,
  parseReference,
  type SearchParam,
  type SearchValue,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs, isNarrower } from '../store/index-rows.ts';
import { resourceKey } from '../store/layout.ts';
import { codeToken, token } from '../store/tokens.ts';
import { possibleTypes } from './bare-ids.ts';
import { compositeCondition, compositePresent } from './composites.ts';
import {
  type ConditionContext,
  type Hashes,
  hasFacts,
  hasHashes,
  hasTokens,
  INDEXED_CHARACTERS,
  type IndexTest,
  indexedText,
  inIndex,
  like,
  ofParam,
  or,
  rowsOf,
  startsWith,
} from './index-tests.ts';
import { around, rangeArms, rangeCondition } from './ranges.ts';
import { contentCondition, displayCondition, narrativeCondition, nearTest } from './specials.ts';

const unsupported = (criterion: Criterion): CerebraError =>
  new CerebraError(
    'unsupported',
    `The modifier ':${criterion.modifier}' is not supported on '${criterion.param.code}'`,
    {
      expression: [criterion.name],
    },
  );

type TokenValue = SearchValue & { kind: 'token' };

/** Nothing when the parameter's one system is another. */
function addToken(into: Hashes, param: SearchParam, { system, code }: TokenValue): void {
  const { coded, codeSystem } = param;
  if (codeSystem !== undefined && system !== undefined && system !== codeSystem) return;
  if (code === undefined) {
    const hash = codeSystem === undefined ? token.anyCode(param, system ?? '') : token.present(param);
    (coded || codeSystem !== undefined ? into.facts : into.tokens).push(hash);
  } else if (system === undefined && codeSystem === undefined) {
    // Asked as it is, it would find nothing: its tokens have the systems that look-up.ts knows of.
    if (coded) throw new CerebraError('internal', `The systems of '${param.code}' have not been looked up`);
    into.tokens.push(token.anySystem(param, code));
  } else into.tokens.push(codeToken(param, system ?? '', code));
}

/** Whether only facts can tell some of what the criterion asks. */
export const isTested = ({ param, values }: Criterion): boolean =>
  indexedAs(param).some(
    ({ coded, codeSystem }) =>
      (coded || codeSystem !== undefined) && values.some((value) => value.kind === 'token' && value.code === undefined),
  );

const typedHash = (param: SearchParam, { system, code, value }: SearchValue & { kind: 'typed' }): string =>
  system === undefined ? token.ofTypeAnySystem(param, code, value) : token.ofType(param, system, code, value);

/** The keys that the alternatives of a reference criterion name: `Patient/1` one, `1` one for each possible type. */
function targetKeys(ctx: ConditionContext, criterion: Criterion): string[] {
  const { param, modifier } = criterion;
  const only = param.sameAs?.[0]?.targetType;
  const possible = possibleTypes(criterion, ctx.resourceTypes);
  return criterion.values.flatMap((value) => {
    if (value.kind === 'hashes') return value.hashes;
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
    return parsed.kind === 'absolute' || parsed.kind === 'local' ? parsed.type : undefined;
  };
  const hashes = (some: string[]) => some.flatMap((url) => indexedAs(param).map((source) => token.url(source, url)));
  if (only === undefined) return urls.length > 0 ? [hasTokens(ctx, m, hashes(urls))] : [];
  const named = urls.filter((url) => typeOf(url) === only);
  const unnamed = urls.filter((url) => typeOf(url) === undefined);
  const parts = named.length > 0 ? [hasTokens(ctx, m, hashes(named))] : [];
  if (unnamed.length > 0) {
    parts.push(`(${hasTokens(ctx, m, hashes(unnamed))} and ${hasFacts(ctx, m, [token.present(param)])})`);
  }
  return parts;
}

function referenceCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const keys = targetKeys(ctx, criterion);
  const parts = keys.length > 0 ? [inIndex(ctx, referenceTest(ctx, criterion, keys), m)] : [];
  parts.push(...urlConditions(ctx, criterion, m));
  return parts.length === 0 ? 'false' : or(parts);
}

function addValue(into: Hashes, source: SearchParam, value: SearchValue): void {
  if (value.kind === 'typed') into.tokens.push(typedHash(source, value));
  else if (value.kind === 'token') addToken(into, source, value);
  else if (value.kind === 'uri') into.tokens.push(token.url(source, value.value));
  else if (value.kind === 'reference' && value.url !== undefined) into.tokens.push(token.url(source, value.url));
}

/** The hashes of all alternatives of a token or uri criterion, and of references to elsewhere. */
export function criterionHashes({ param, values }: Criterion): Hashes {
  const found: Hashes = { tokens: [], facts: [] };
  const sources = indexedAs(param);
  for (const value of values) {
    if (value.kind !== 'hashes') for (const source of sources) addValue(found, source, value);
    else if (param.type !== 'reference') {
      // One by one: as arguments of a call, 100,000 would be too many.
      for (const hash of value.hashes) found.tokens.push(hash);
      for (const hash of value.facts ?? []) found.facts.push(hash);
    }
  }
  return found;
}

function stringTest(ctx: ConditionContext, criterion: Criterion, text: string, x: string): string {
  const folded = foldString(text);
  if (criterion.modifier === undefined) return startsWith(ctx, x, folded);
  if (criterion.modifier === 'contains') return `${x}.value like ${ctx.sql.value(`%${like(folded)}%`)}`;
  if (criterion.modifier === 'exact') {
    const head = ctx.sql.value(indexedText(folded));
    return `(left(${x}.value, ${INDEXED_CHARACTERS}) = ${head} and coalesce(${x}.exact, ${x}.value) = ${ctx.sql.value(text)})`;
  }
  throw unsupported(criterion);
}

/** The parameter, of whose family names the parts are looked at as well: https://hl7.org/fhir/R4/search.html#string */
function withFamilyParts(param: SearchParam): SearchParam {
  if (!param.familyNames) return param;
  const whole = indexedAs(param).map((source) => ({ param: source }));
  const parts = whole.map(({ param: source }) => ({ param: { ...source, key: familyPartsKey(source) } }));
  return { ...param, sameAs: [...whole, ...parts] };
}

/** `http://a/b/c` → itself and what it is below: `http://a/b`, `http://a`. */
export function ancestors(uri: string): string[] {
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
  const heads = [...new Set(all.map(indexedText))];
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

/** The table that has the values of the parameter; undefined where tokens and columns alone have them. */
export function tableOf(param: SearchParam): string | undefined {
  if (param.ranged || param.special === 'near') return 'index_quantity';
  return tables[param.type];
}

function presentCondition(ctx: ConditionContext, param: SearchParam, m: string): string {
  if (param.composite) return compositePresent(ctx, param, (part) => presentCondition(ctx, part, m), m);
  if (param.special === 'text') return `exists (select 1 from index_narrative x where x.rid = ${m}.rid)`;
  const table = tableOf(param);
  const inFacts = () => hasFacts(ctx, m, (isNarrower(param) ? [param] : indexedAs(param)).map(token.present));
  if (!table || isNarrower(param)) return inFacts();
  const from = ctx.style === 'join' ? `${table} x where x.rid = ${m}.rid and` : `${rowsOf(table, m)} x where`;
  const rows = `exists (select 1 from ${from} ${ofParam(ctx.sql, 'x', param)})`;
  return param.type === 'reference' ? `(${rows} or ${inFacts()})` : rows;
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
    // The time of a resource is one millisecond: it contains no longer period, and a period overlaps with it that has it.
    if (criterion.filter === 'co' && given.lo < given.hi) return 'false';
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

/** A number that is looked for where ranges of numbers are. */
const asRange = (value: SearchValue): SearchValue => (value.kind === 'number' ? { ...value, kind: 'quantity' } : value);

/** The criterion as a test of index rows; undefined where tokens or the resource's own columns answer it. */
function indexTest(ctx: ConditionContext, given: Criterion): IndexTest | undefined {
  const criterion = ctx.found?.get(given) ?? given;
  const { param, modifier, values } = criterion;
  if (modifier === 'missing' || modifier === 'text' || param.code === '_lastUpdated') return undefined;
  const table = tableOf(param);
  switch (param.type) {
    case 'reference': {
      const keys = targetKeys(ctx, criterion);
      return keys.length > 0 && criterionHashes(criterion).tokens.length === 0
        ? referenceTest(ctx, criterion, keys)
        : undefined;
    }
    case 'uri':
      return uriTest(ctx, criterion);
    case 'string':
      return {
        ...{ table: table!, param: modifier === undefined ? withFamilyParts(param) : param },
        test: (x) => or(values.map((value) => stringTest(ctx, criterion, (value as { value: string }).value, x))),
      };
    case 'date':
    case 'number':
    case 'quantity': {
      if (modifier !== undefined) throw unsupported(criterion);
      const asked = param.ranged ? values.map(asRange) : values;
      const test = (x: string) => or(asked.map((value) => rangeCondition(ctx.sql, value, x, ctx.nowMs)));
      const arms = rangeArms(ctx.sql, asked, ctx.nowMs);
      return { table: table!, param, test, ...(arms && { arms }) };
    }
    case 'special': {
      if (param.special !== 'near') return undefined;
      const places = values.filter((value) => value.kind === 'near');
      return { table: table!, param, test: (x) => or(places.map((place) => nearTest(ctx, place, x))) };
    }
    default:
      return undefined;
  }
}

/** Whether two criteria on the parameter speak of the same row, since a resource has one at most. */
export const isOneRow = ({ param, modifier, chain, filter }: Criterion): boolean =>
  param.single === true &&
  param.code !== '_lastUpdated' &&
  modifier === undefined &&
  !chain &&
  filter === undefined &&
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

/** Each arm of one criterion has the tests of all others: of more values, all together, there is one test and no arm. */
const GROUPED_VALUES_MAX = 40;

/** The arms of the first criterion that has some, which meet the other criteria too. */
function armsTogether(all: readonly IndexTest[]): ((x: string) => string[]) | undefined {
  const armed = all.find((one) => one.arms);
  if (!armed) return undefined;
  return (x) => {
    const others = all.filter((one) => one !== armed).map((one) => ` and ${one.test(x)}`);
    return armed.arms!(x).map((arm) => arm + others.join(''));
  };
}

/** The group as one test of index rows; see indexTest. */
export function groupTest(ctx: ConditionContext, group: readonly Criterion[]): IndexTest | undefined {
  const [first, ...rest] = group.map((criterion) => indexTest(ctx, criterion));
  if (!first || rest.length === 0) return first;
  const all = [first, ...(rest as IndexTest[])];
  const test = (x: string) => all.map((one) => one.test(x)).join(' and ');
  const values = group.reduce((sum, criterion) => sum + criterion.values.length, 0);
  const arms = values <= GROUPED_VALUES_MAX ? armsTogether(all) : undefined;
  return { table: first.table, param: first.param, test, ...(arms && { arms }) };
}

/** A group as a condition on the current row called `m`. */
export function groupCondition(ctx: ConditionContext, group: readonly Criterion[], m: string): string {
  if (group.length === 1) return condition(ctx, group[0]!, m);
  return inIndex(ctx, groupTest(ctx, group)!, m);
}

/** The access scope as a condition on `m`. */
export function scopeCondition(ctx: Pick<ConditionContext, 'sql' | 'scope'>, m: string): string {
  const access = scopeSql(ctx.scope);
  const first = ctx.sql.values.length + 1;
  ctx.sql.values.push(...access.values);
  return access.condition(m, first);
}

function specialCondition(ctx: ConditionContext, { param, values, name }: Criterion, m: string): string {
  const queries = values.flatMap((value) => (value.kind === 'words' ? [value.query] : []));
  if (param.special === 'text') return narrativeCondition(ctx, queries, m);
  if (param.special === 'content') return contentCondition(ctx, queries, m);
  throw new CerebraError('unsupported', `Parameters of type '${param.type}' can't be searched`, { expression: [name] });
}

function tokenCondition(ctx: ConditionContext, criterion: Criterion, m: string): string {
  const { modifier } = criterion;
  const found = hasHashes(ctx, m, criterionHashes(criterion));
  if (modifier === undefined || modifier === 'of-type') return found;
  if (modifier === 'not' && criterion.param.type === 'token') return `not (${found})`;
  throw unsupported(criterion);
}

/** One criterion on the resource itself as a condition on the current row called `m`; joins.ts has all others. */
export function condition(ctx: ConditionContext, given: Criterion, m: string): string {
  const criterion = ctx.found?.get(given) ?? given;
  const { param, modifier } = criterion;
  if (modifier === 'missing') return missingCondition(ctx, criterion, m);
  if (modifier === 'text') return displayCondition(ctx, criterion.values, m);
  const test = indexTest(ctx, criterion);
  if (test) return inIndex(ctx, test, m);
  if (param.code === '_id') {
    const ids = criterion.values.map((value) => (value.kind === 'token' ? (value.code ?? '') : value.text));
    return `${modifier === 'not' ? 'not ' : ''}${m}.id = any(${ctx.sql.value(ids)}::text[])`;
  }
  if (param.code === '_lastUpdated') return lastUpdatedCondition(ctx, criterion, m);
  if (param.type === 'reference') return referenceCondition(ctx, criterion, m);
  if (param.composite) return compositeCondition(ctx, criterion, m, condition);
  return param.type === 'token' || param.type === 'uri'
    ? tokenCondition(ctx, criterion, m)
    : specialCondition(ctx, criterion, m);
}
