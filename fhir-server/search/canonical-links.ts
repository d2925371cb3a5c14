// Chains and _has by canonical URL: https://hl7.org/fhir/R4/references.html#canonical, search.html#chaining, #has
// What refers to a definition has a token of its URL, and of `url|version`: hashes, which SQL can't make of what it finds. So the
// definitions, of which there are few, are looked up before; what refers to them is then asked for by these tokens.
import { type Criterion, isSingle, parseCanonical, type SearchParam, urlPaths } from '#fhir-model';
import { CerebraError, type Statement } from '#platform';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { token } from '../store/tokens.ts';
import { type CanonicalLink, type Referring, refersTo, textsOf, valuesAt } from './by-url.ts';
import { type CanonicalReference, isMeantBy } from './canonicals.ts';
import { groups } from './conditions.ts';
import type { PageContext } from './page.ts';
import { createSql, jsonOf, type SqlBuilder, statementFor } from './sql-text.ts';
import { allConditions, conditionContext, where } from './where.ts';

type Has = NonNullable<Criterion['has']>;

/** Definitions that one link leads to, and URLs that are looked for one by one, in some 50 µs each. */
const DEFINITIONS_MAX = 5000;
/** Of so few what they refer to is read from their bodies. */
const FEW_MAX = 1000;

interface Definition {
  key: bigint;
  url: string;
  version: string | null;
}

/** The parameter `url` of a type that canonical references name. A Device has one of another meaning, and no version. */
function urlParam({ lookups }: PageContext, type: string): SearchParam | undefined {
  const url = lookups?.parameters.get(type, 'url');
  return url?.type === 'uri' && lookups?.parameters.get(type, 'version')?.type === 'token' ? url : undefined;
}

/** SQL/JSON paths to what the parameter reads by URL. Of a contained resource they would lead elsewhere. */
const pathsOf = ({ definitions }: PageContext, param: SearchParam): string[] =>
  param.contained ? [] : urlPaths(param, definitions);

/** Whether a resource has one such reference at most: what names another version then means no more than that. */
const hasOne = ({ definitions }: PageContext, { resourceType, expression }: SearchParam): boolean =>
  isSingle(definitions, resourceType, expression);

const tokensOf = (param: SearchParam, url: string): string[] =>
  indexedAs(param).map((source) => token.url(source, url));

function assertFew(count: number, { name }: Criterion, type: string): void {
  if (count <= DEFINITIONS_MAX) return;
  const text = `More than ${DEFINITIONS_MAX} ${type} are to be looked at by their URLs: search these first, then by the reference`;
  throw new CerebraError('too-costly', text, { expression: [name] });
}

async function definitionsWhere(
  page: PageContext,
  asking: Criterion,
  type: string,
  condition: (sql: SqlBuilder) => string,
): Promise<Definition[]> {
  const sql = createSql();
  const text = `select j.key, j.json ->> 'url' as url, j.json ->> 'version' as version
    from (select m.key, ${jsonOf('m.body')} as json from ${currentTable(type)} m where ${condition(sql)}
      limit ${DEFINITIONS_MAX + 1}) j`;
  const rows = await page.db.query<Definition>(statementFor(text), sql.values);
  assertFew(rows.length, asking, type);
  return rows.filter(({ url }) => typeof url === 'string');
}

const definitionsOf = (page: PageContext, asking: Criterion, type: string, urls: readonly string[]) =>
  definitionsWhere(page, asking, type, (sql) => {
    const tokens = urls.flatMap((url) => tokensOf(urlParam(page, type)!, url));
    const scoped = where(conditionContext(page, sql, 'join'), []);
    return `${scoped} and m.tokens && ${sql.value(`{${tokens.join(',')}}`)}::bigint[]`;
  });

/** `others`: what names one of these by its version means none of those that are wanted, unless they have the same. */
function referringTo(
  param: SearchParam,
  { wanted, others, paths }: { wanted: readonly Definition[]; others: readonly Definition[]; paths: string[] },
): Referring {
  const versionsOf = (some: readonly Definition[]) =>
    some.flatMap(({ url, version }) => (version === null ? [] : tokensOf(param, `${url}|${version}`)));
  const urls = [...new Set(wanted.map(({ url }) => url))];
  const exact = new Set(versionsOf(wanted));
  // Of a URL of this server itself (`[base]/Questionnaire/1|2`) there is no token but with the version.
  const named = [...urls.flatMap((url) => tokensOf(param, url)), ...exact];
  return { named, exact: [...exact], others: versionsOf(others).filter((hash) => !exact.has(hash)), urls, paths };
}

async function linkOfChain(page: PageContext, criterion: Criterion, paths: string[]): Promise<CanonicalLink> {
  const wanted: Definition[] = [];
  const all: Definition[] = [];
  const isOne = hasOne(page, criterion.param);
  for (const link of criterion.chain!) {
    if (!urlParam(page, link.type)) continue;
    const condition = (sql: SqlBuilder) => allConditions(page, sql, { criteria: [link.criterion] });
    const found = await definitionsWhere(page, criterion, link.type, condition);
    wanted.push(...found);
    assertFew(wanted.length, criterion, link.type);
    const urls = [...new Set(found.map(({ url }) => url))];
    if (isOne && urls.length > 0) all.push(...(await definitionsOf(page, criterion, link.type, urls)));
  }
  return wanted.length > 0 ? { referring: referringTo(criterion.param, { wanted, others: all, paths }) } : {};
}

/** What the resources that the inner criterion finds refer to; undefined where these are not few. */
async function fewReferences(page: PageContext, has: Has, paths: string[]): Promise<CanonicalReference[] | undefined> {
  const sql = createSql();
  const found = `select m.body from ${currentTable(has.type)} m where ${allConditions(page, sql, { criteria: [has.criterion] })}`;
  const few = `(select count(*) from m) <= ${FEW_MAX}`;
  const text = `with m as materialized (${found} limit ${FEW_MAX + 1})
    select ${few} as few, array(select distinct v #>> '{}'
      from (select ${jsonOf('m.body')} as json from m where ${few} offset 0) j, ${valuesAt(sql.value(paths))}
      where jsonb_typeof(v) = 'string') as urls`;
  const [row] = await page.db.query<{ few: boolean; urls: string[] }>(statementFor(text), sql.values);
  return row!.few ? row!.urls.map(parseCanonical) : undefined;
}

/**
 * Of each, whether a resource that the inner criterion finds refers to it. A CTE is planned for all of its rows, so by the tokens,
 * and yields the first of them before it looks for the next.
 */
async function areReferredTo(
  page: PageContext,
  { type, criterion }: Has,
  all: readonly Referring[],
): Promise<boolean[]> {
  if (all.length === 0) return [];
  const sql = createSql();
  const rows = all.map(({ paths: _, ...each }, n) => ({ n, ...each, texts: each.urls.flatMap(textsOf) }));
  const has = (part: string) => (m: string) => `${m}.tokens && k.${part}`;
  const refers = refersTo('m', {
    ...{ named: has('named'), exact: has('exact'), others: has('others') },
    ...{ urls: 'k.urls', texts: 'k.texts', paths: sql.value(all[0]!.paths) },
  });
  const conditions = where(conditionContext(page, sql, 'probe'), groups([criterion]));
  const text = `select k.n from json_to_recordset(${sql.value(JSON.stringify(rows))}::json)
      as k(n int, named bigint[], exact bigint[], others bigint[], urls text[], texts text[])
    cross join lateral (
      with f as materialized (select m.rid from ${currentTable(type)} m where ${refers} and ${conditions})
      select 1 from f limit 1) x`;
  const found = new Set((await page.db.query<{ n: number }>(statementFor(text), sql.values)).map(({ n }) => n));
  return all.map((_, i) => found.has(i));
}

const urlsOf: Statement = {
  name: 'definition_urls',
  text: `select distinct value as url from index_string where param = any($1::int[]) limit ${DEFINITIONS_MAX + 1}`,
};

/** Of the URLs of all definitions first, which cost no bodies, then of each definition that has one of those that are left. */
async function referredTo(page: PageContext, asking: Criterion, has: Has, paths: string[]): Promise<Definition[]> {
  const { resourceType: type } = asking.param;
  const known = indexedAs(urlParam(page, type)!).map(({ key }) => key);
  const urls = (await page.db.query<{ url: string }>(urlsOf, [known])).map(({ url }) => url);
  assertFew(urls.length, asking, type);
  const anyVersion = urls.map((url): Referring => {
    const named = tokensOf(has.param, url);
    return { named, exact: named, others: [], urls: [url], paths };
  });
  const isNamed = await areReferredTo(page, has, anyVersion);
  const named = urls.filter((_, i) => isNamed[i]);
  const all = named.length > 0 ? await definitionsOf(page, asking, type, named) : [];
  const byUrl = Map.groupBy(hasOne(page, has.param) ? all : [], ({ url }) => url);
  const each = all.map((one) => referringTo(has.param, { wanted: [one], others: byUrl.get(one.url) ?? [], paths }));
  const isReferred = await areReferredTo(page, has, each);
  return all.filter((_, i) => isReferred[i]);
}

async function linkOfHas(page: PageContext, criterion: Criterion, has: Has, paths: string[]): Promise<CanonicalLink> {
  const { resourceType: type } = criterion.param;
  if (!urlParam(page, type)) return {};
  const references = await fewReferences(page, has, paths);
  const urls = [...new Set(references?.map(({ url }) => url))];
  let found: Definition[] = [];
  if (!references) found = await referredTo(page, criterion, has, paths);
  else if (urls.length > 0) {
    const all = await definitionsOf(page, criterion, type, urls);
    found = all.filter(({ url, version }) =>
      isMeantBy(references, { resourceType: type, url, version: version ?? '' }),
    );
  }
  return { keys: found.map(({ key }) => String(key)) };
}

/** Asked for in order, so that the index on the parameter is taken, whatever else the table has. */
const hasRows: Statement = {
  name: 'has_references',
  text: `select exists (select 1 from unnest($1::int[]) p
    where (select x.target from index_reference x where x.param = p order by x.target limit 1) is not null) as found`,
};

/** The parameter of a chain's link, or of `_has`. */
const linkOf = ({ has, chain, param }: Criterion): SearchParam | undefined => has?.param ?? (chain && param);

/** Whether it is a chain or `_has` by a parameter that reads canonical URLs. */
export function isByUrl(page: PageContext, criterion: Criterion): boolean {
  const by = linkOf(criterion);
  return by !== undefined && pathsOf(page, by).length > 0;
}

/** Looks up what such a criterion means by canonical URL, its inner criteria looked up, and remembers it on the page. */
export async function findByUrl(page: PageContext, criterion: Criterion): Promise<void> {
  const { has } = criterion;
  const by = linkOf(criterion)!;
  const paths = pathsOf(page, by);
  const link = has ? await linkOfHas(page, criterion, has, paths) : await linkOfChain(page, criterion, paths);
  page.canonicals ??= new Map();
  page.canonicals.set(criterion, link);
  const [row] = await page.db.query<{ found: boolean }>(hasRows, [indexedAs(by).map(({ key }) => key)]);
  if (row!.found) return;
  // Nothing is referred to but by URL: no more is to be found.
  page.joins ??= new Map();
  page.joins.set(criterion, link.keys ?? []);
}
