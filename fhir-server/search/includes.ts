// _include and _revinclude: https://hl7.org/fhir/R4/search.html#include
import type { Include, IndexValue, Resource, SearchParam, SearchQuery, StoredVersion } from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { readMany } from '../store/read.ts';
import { named, PAGE_BYTES_MAX, pageBody } from '../store/sql.ts';
import type { PageContext } from './page.ts';

/** Included resources of one page; more is refused rather than cut off silently. */
const INCLUDED_MAX = 5000;
/** References that are followed; some may lead nowhere. */
const IDS_MAX = 50_000;

export interface IncludeContext extends PageContext {
  extract(resource: Resource): IndexValue[];
  /** Reference parameters of a type, for `*`. */
  referenceParams(type: string): SearchParam[];
}

const tooMany = (): CerebraError =>
  new CerebraError(
    'too-costly',
    `More than ${INCLUDED_MAX} resources or ${PAGE_BYTES_MAX} bytes would be included in this page: lower _count or drop an _include or _revinclude`,
    { expression: ['_include', '_revinclude'] },
  );

const name = (one: { type: string; id: string }): string => `${one.type}/${one.id}`;

/** `Type/id` of what the matches refer to through the include's parameter. */
function targets(ctx: IncludeContext, include: Include, matches: StoredVersion[]): Map<string, Set<string>> {
  const wanted = new Map<string, Set<string>>();
  for (const match of matches) {
    if (match.type !== include.source) continue;
    for (const value of ctx.extract(JSON.parse(match.body) as Resource)) {
      if (value.kind !== 'reference' || !value.type || !value.id) continue;
      if (include.param && value.param.key !== include.param.key) continue;
      if (include.target && value.type !== include.target) continue;
      // A reference may name what R4 has no type for: `Foo/1`.
      if (!wanted.has(value.type) && !ctx.resourceTypes.includes(value.type)) continue;
      const ids = wanted.get(value.type) ?? new Set();
      wanted.set(value.type, ids.add(value.id));
    }
  }
  return wanted;
}

async function forward(ctx: IncludeContext, include: Include, matches: StoredVersion[]): Promise<StoredVersion[]> {
  const found: StoredVersion[] = [];
  for (const [type, ids] of targets(ctx, include, matches)) {
    const some = ids.size > IDS_MAX ? undefined : await readMany(ctx.db, type, [...ids], ctx.scope);
    if (!some) throw tooMany();
    for (const one of some) found.push(one);
  }
  return found;
}

async function reverse(ctx: IncludeContext, include: Include, matches: StoredVersion[]): Promise<StoredVersion[]> {
  const type = include.source;
  const asked = include.param ? [include.param] : ctx.referenceParams(type);
  const params = asked.flatMap(indexedAs).map((param) => param.key);
  const target = include.target ?? include.param?.sameAs?.[0]?.targetType;
  const keys = matches
    .filter((match) => !target || match.type === target)
    .map((match) => resourceKey(match.type, match.id));
  if (keys.length === 0) return [];
  const access = scopeSql(ctx.scope);
  const statement = named(
    `revinclude_${type}${access.name}`,
    () => `select m.id, m.version, m.updated, ${pageBody('m', 'm.rid desc')} from ${currentTable(type)} m
      where m.rid in (select x.rid from index_reference x where x.param = any($1::int[]) and x.target = any($2::bigint[]))
        and ${access.condition('m', 4)} order by m.rid desc limit $3`,
  );
  const rows = await ctx.db.query<{ id: string; version: number; updated: number; body: string | null }>(statement, [
    params,
    keys,
    INCLUDED_MAX + 1,
    ...access.values,
  ]);
  return rows.map(({ id, version, updated, body }) => {
    if (body === null) throw tooMany();
    return { type, id, version, updatedMs: updated, body, deleted: false };
  });
}

/** What the query's includes add to this page, each once, none that is a match itself. */
export async function findIncluded(
  ctx: IncludeContext,
  query: SearchQuery,
  matches: StoredVersion[],
): Promise<StoredVersion[]> {
  const seen = new Set(matches.map(name));
  const included: StoredVersion[] = [];
  for (const include of query.includes) {
    const found = await (include.reverse ? reverse(ctx, include, matches) : forward(ctx, include, matches));
    for (const one of found) {
      if (seen.has(name(one))) continue;
      seen.add(name(one));
      included.push(one);
    }
    if (included.length > INCLUDED_MAX) throw tooMany();
  }
  return included;
}
