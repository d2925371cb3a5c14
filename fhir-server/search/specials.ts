// Special parameters in SQL: near (https://hl7.org/fhir/R4/location.html#search), _text and _content
// (https://hl7.org/fhir/R4/search.html#content)
import { EARTH_RADIUS_M, POSITION_SLACK_M, type SearchValue, type TextQuery } from '#fhir-model';
import { type ConditionContext, like, or, rowsOf } from './index-tests.ts';
import { jsonOf } from './sql-text.ts';
import { oneSigma, wordsSql } from './word-characters.ts';

type NearValue = SearchValue & { kind: 'near' };

const DEGREES_PER_RADIAN = 180 / Math.PI;

/**
 * The row's latitude is `low`, its longitude `high`. The latitudes in reach are a range of the index; which longitudes are
 * depends on the latitude, so that the distance (fhir-model/search/near.ts) decides.
 */
export function nearTest(ctx: ConditionContext, { latitude, longitude, distanceM }: NearValue, x: string): string {
  const n = (value: number) => `${ctx.sql.value(value)}::float8`;
  const within = distanceM + POSITION_SLACK_M;
  const reach = (within / EARTH_RADIUS_M) * DEGREES_PER_RADIAN * (1 + 1e-9);
  const d = (value: number) => `${ctx.sql.value(value.toFixed(9))}::numeric`;
  const range = `${x}.low between ${d(Math.max(-90, latitude - reach))} and ${d(Math.min(90, latitude + reach))}`;
  const half = (from: string, to: number) => `power(sind((${from}::float8 - ${n(to)}) / 2), 2)`;
  const a = `${half(`${x}.low`, latitude)} + cosd(${n(latitude)}) * cosd(${x}.low::float8) * ${half(`${x}.high`, longitude)}`;
  return `(${range} and ${n(2 * EARTH_RADIUS_M)} * asin(least(1, sqrt(${a}))) <= ${n(within)})`;
}

/** Words are letters and digits alone (fhir-model/search/words.ts), so they need no escapes. */
function tsquery(query: TextQuery): string {
  switch (query.op) {
    case 'not':
      return `!(${tsquery(query.part)})`;
    case 'and':
      return `(${query.parts.map(tsquery).join(' & ')})`;
    case 'or':
      return `(${query.parts.map(tsquery).join(' | ')})`;
    case 'phrase': {
      const words = query.words.map((word) => `'${word}'`);
      return `(${words.join(' <-> ')}${query.prefix ? ':*' : ''})`;
    }
  }
}

/** `_text` */
export function narrativeCondition(ctx: ConditionContext, queries: readonly TextQuery[], m: string): string {
  const x = ctx.sql.alias();
  const test = or(queries.map((query) => `${x}.words @@ ${ctx.sql.value(tsquery(query))}::tsquery`));
  if (ctx.style === 'join') return `${m}.rid in (select ${x}.rid from index_narrative ${x} where ${test})`;
  return `exists (select 1 from ${rowsOf('index_narrative', m)} ${x} where ${test})`;
}

/** On the words of `wordsSql`. */
function wordsTest(ctx: ConditionContext, query: TextQuery, x: string): string {
  switch (query.op) {
    case 'not':
      return `not ${wordsTest(ctx, query.part, x)}`;
    case 'and':
      return `(${query.parts.map((part) => wordsTest(ctx, part, x)).join(' and ')})`;
    case 'or':
      return `(${query.parts.map((part) => wordsTest(ctx, part, x)).join(' or ')})`;
    case 'phrase':
      return `${x}.words like ${ctx.sql.value(`% ${like(oneSigma(query.words.join(' ')))}${query.prefix ? '%' : ' %'}`)}`;
  }
}

/** What an ASCII body must hold to meet the query; `true` where that can't be told. Costs a tenth of the words themselves. */
function rawTest(ctx: ConditionContext, query: TextQuery, body: string): string {
  switch (query.op) {
    case 'not':
      return 'true';
    case 'and':
      return `(${query.parts.map((part) => rawTest(ctx, part, body)).join(' and ')})`;
    case 'or':
      return `(${query.parts.map((part) => rawTest(ctx, part, body)).join(' or ')})`;
    case 'phrase':
      return `(${query.words.map((word) => `${body} like ${ctx.sql.value(`%${like(word)}%`)} collate "C"`).join(' and ')})`;
  }
}

/**
 * What a text without tags holds only where the query is met, whatever the words of the rest are: between spaces, or from the
 * beginning of a value, stand no names of elements and no parts of words. `false` where that can't be told.
 */
function surelyIn(ctx: ConditionContext, query: TextQuery, text: string): string {
  switch (query.op) {
    case 'not':
      return 'false';
    case 'and':
      return `(${query.parts.map((part) => surelyIn(ctx, part, text)).join(' and ')})`;
    case 'or':
      return `(${query.parts.map((part) => surelyIn(ctx, part, text)).join(' or ')})`;
    case 'phrase': {
      const words = like(query.words.join(' '));
      const starts = [` ${words}`, `:"${words}`];
      const forms = query.prefix ? starts : starts.flatMap((start) => [`${start} `, `${start}"`]);
      return or(forms.map((form) => `${text} like ${ctx.sql.value(`%${form}%`)} collate "C"`));
    }
  }
}

/**
 * Bodies that can't meet the query are passed over before anything is cut out of them: CASE keeps the order. Of each the text is
 * unpacked once, and its characters, which cost half of it all, are counted only where the words are not there.
 */
function inBody(ctx: ConditionContext, queries: readonly TextQuery[], m: string, test: string, sure = 'false'): string {
  const raw = or(queries.map((query) => rawTest(ctx, query, 'b.text')));
  const isAscii = 'octet_length(b.text) = char_length(b.text)';
  return `(select case when not ${raw} and ${isAscii} then false when ${sure} then true else ${test} end
    from (select lower(${m}.body collate "C") as text offset 0) b)`;
}

/**
 * `_content`: read from the bodies, since an index of all words of all resources would cost more than the rest of a create. Where
 * the words stand between spaces after the narrative, whose tags are none, nothing has to be cut out: 4 µs instead of 100.
 */
export function contentCondition(ctx: ConditionContext, queries: readonly TextQuery[], m: string): string {
  const x = ctx.sql.alias();
  const words = or(queries.map((query) => wordsTest(ctx, query, x)));
  const test = `(select ${words} from (select ${wordsSql(`${m}.body`, ctx.sql.value)} as words offset 0) ${x})`;
  const surely = or(queries.map((query) => surelyIn(ctx, query, 'a.text')));
  const after = `(select split_part(b.text, '</div>"', -1) as text offset 0) a`;
  return inBody(ctx, queries, m, test, `(select a.text not like '%<%' and ${surely} from ${after})`);
}

type DisplayValue = SearchValue & { kind: 'display' };

/** `:text` of references, looked up: read from the bodies as well, since every reference may have a display. */
export function displayCondition(ctx: ConditionContext, values: readonly SearchValue[], m: string): string {
  const wanted = values.filter((value): value is DisplayValue => value.kind === 'display');
  const [first] = wanted;
  if (first === undefined || first.paths.length === 0) return 'false';
  const x = ctx.sql.alias();
  const queries = wanted.map(({ query }) => query);
  const words = or(queries.map((query) => wordsTest(ctx, query, x)));
  const displays = `select ${wordsSql('v::text', ctx.sql.value)} as words from (select ${jsonOf(`${m}.body`)} as json offset 0) j,
    unnest(${ctx.sql.value(first.paths)}::text[]) path, jsonb_path_query(j.json, path::jsonpath, '{}', true) v`;
  return inBody(ctx, queries, m, `exists (select 1 from (${displays} offset 0) ${x} where ${words})`);
}
