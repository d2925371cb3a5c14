// What refers to a definition by its canonical URL, as SQL conditions: https://hl7.org/fhir/R4/references.html#canonical
import type { Criterion } from '#fhir-model';
import { currentTable } from '../store/layout.ts';
import type { ConditionContext } from './index-tests.ts';
import { jsonOf } from './sql-text.ts';

/** What canonical-links.ts has found of a criterion. */
export interface CanonicalLink {
  /** Of a chain: what refers to the definitions that it leads to. */
  referring?: Referring;
  /** Of `_has`: the keys of the definitions that are referred to. */
  keys?: readonly string[];
}

/** What refers to some definitions, by its tokens. */
export interface Referring {
  /** Of their URLs: whatever refers to them has one of these. */
  named: readonly string[];
  /** Of `url|version`: what has one of these refers to them. */
  exact: readonly string[];
  /** Of other versions of the URLs: what has one of these refers to that version alone. */
  others: readonly string[];
  urls: readonly string[];
  /** SQL/JSON paths to the references. */
  paths: readonly string[];
}

/** SQL/JSON values at these paths, as `v`. */
export const valuesAt = (paths: string): string =>
  `unnest(${paths}::text[]) path, jsonb_path_query(j.json, path::jsonpath, '{}', true) v`;

/** The SQL of each part of a Referring. */
export type ReferringSql = Record<Exclude<keyof Referring, 'urls' | 'paths'>, (m: string) => string> &
  Record<'urls' | 'paths', string> & { texts?: string };

/** Texts that a body has which refers to the URL without a version. */
export const textsOf = (url: string): string[] => [JSON.stringify(url), `${JSON.stringify(url).slice(0, -1)}#`];

/**
 * Tokens alone don't tell `url` from `url|9`, a version that is not here: such a body is read, in 15 µs, unless it has none of the
 * texts. A part of a definition (`url#id`) is a reference to it.
 */
export const refersTo = (m: string, { named, exact, others, urls, paths, texts }: ReferringSql): string =>
  `(${named(m)} and (${exact(m)} or not ${others(m)}
    and ${texts === undefined ? 'true' : `exists (select 1 from unnest(${texts}) t where strpos(${m}.body, t) > 0)`}
    and exists (select 1 from (select ${jsonOf(`${m}.body`)} as json offset 0) j, ${valuesAt(paths)}
      where split_part(v #>> '{}', '#', 1) = any(${urls}))))`;

/** Tokens are compared one by one with up to so many; more are hashed. */
const COMPARED_MAX = 16;

/** Texts are looked for in a body in 1 to 2 µs each. */
const TEXTS_URLS_MAX = 4;

function hasOne(ctx: ConditionContext, m: string, hashes: readonly string[]): string {
  if (hashes.length === 0) return 'false';
  const list = `${ctx.sql.value(`{${hashes.join(',')}}`)}::bigint[]`;
  if (ctx.style === 'join' || hashes.length <= COMPARED_MAX) return `${m}.tokens && ${list}`;
  return `exists (select 1 from unnest(${m}.tokens) t where (t in (select unnest(${list}))) is true)`;
}

const referringOf = ({ canonicals }: Pick<ConditionContext, 'canonicals'>, chain: Criterion): Referring | undefined =>
  canonicals?.get(chain)?.referring;

/** Whether some definition is at the end of a chain's link. */
export const linksByUrl = (known: Pick<ConditionContext, 'canonicals'>, chain: Criterion): boolean =>
  referringOf(known, chain) !== undefined;

/** The condition that `m` refers to one of the definitions that the chain leads to; none where there are no such. */
export function urlConditions(ctx: ConditionContext, chain: Criterion, m: string): string[] {
  const referring = referringOf(ctx, chain);
  if (!referring) return [];
  const { named, exact, others, urls, paths } = referring;
  const condition = refersTo(m, {
    named: () => hasOne(ctx, m, named),
    exact: () => hasOne(ctx, m, exact),
    others: () => hasOne(ctx, m, others),
    urls: `${ctx.sql.value(urls)}::text[]`,
    paths: ctx.sql.value(paths),
    ...(urls.length <= TEXTS_URLS_MAX && { texts: `${ctx.sql.value(urls.flatMap(textsOf))}::text[]` }),
  });
  return [condition];
}

/** The rids of what does: a select. */
export function urlRids(ctx: ConditionContext, chain: Criterion): string[] {
  const m = ctx.sql.alias();
  const from = `select ${m}.rid from ${currentTable(chain.param.resourceType)} ${m} where`;
  return urlConditions(ctx, chain, m).map((condition) => `${from} ${condition}`);
}
