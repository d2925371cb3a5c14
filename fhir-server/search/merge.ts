// One page of matches of several types: https://hl7.org/fhir/R4/search.html#type
import { compareDecimals, type SearchQuery, type StoredVersion } from '#fhir-model';
import { CerebraError } from '#platform';
import { PAGE_BYTES_MAX } from '../store/sql.ts';
import { cursorOf, findRows, keysOf, type Page, type PageContext, type Row, storedOf } from './page.ts';
import { type SortKey, sortKeys } from './sort.ts';
import { statementFor } from './sql-text.ts';

/** Types that are asked at a time: each may yield a page of 32 MB. */
const CONCURRENT_MAX = 4;

interface Typed {
  type: string;
  row: Row;
  keys: (string | null)[];
}

const compareBigints = (a: string, b: string): number => {
  const [left, right] = [BigInt(a), BigInt(b)];
  return left < right ? -1 : left > right ? 1 : 0;
};

/** As PostgreSQL's collation "C": by bytes of UTF-8. */
const compareTexts = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const COMPARE: Record<SortKey['cast'], (a: string, b: string) => number> = {
  bigint: compareBigints,
  numeric: compareDecimals,
  text: compareTexts,
};

function compareKey({ cast, descending }: SortKey, a: string | null, b: string | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return descending ? COMPARE[cast](b, a) : COMPARE[cast](a, b);
}

/** The order of orderBy(): by the keys, resources without a value last, then the newest first. */
function compareRows(keys: readonly SortKey[], a: Typed, b: Typed): number {
  for (let i = 0; i < keys.length; i++) {
    const order = compareKey(keys[i]!, a.keys[i]!, b.keys[i]!);
    if (order !== 0) return order;
  }
  return a.row.rid > b.row.rid ? -1 : a.row.rid < b.row.rid ? 1 : 0;
}

/** How many of the rows fit a page; a row whose own page was full by its bytes ends this one too. */
function fitting(rows: readonly Typed[], count: number): number {
  let bytes = 0;
  for (let i = 0; i < Math.min(rows.length, count); i++) {
    const { body } = rows[i]!.row;
    if (body === null || (i > 0 && bytes > PAGE_BYTES_MAX)) return i;
    bytes += body.length;
  }
  return Math.min(rows.length, count);
}

/** `start` is a date of a Slot and an id of a GraphDefinition: between these there is no order. */
function assertOneOrder({ definitions }: PageContext, queries: readonly SearchQuery[], keys: readonly SortKey[]): void {
  for (const query of queries) {
    const own = sortKeys(query, definitions);
    const i = own.findIndex(({ cast }, at) => cast !== keys[at]!.cast);
    if (i === -1) continue;
    const [first, other] = [queries[0]!, query].map(({ type, sort }) => `of ${type} a ${sort[i]!.param.type}`);
    throw new CerebraError(
      'unsupported',
      `'${query.sort[i]!.param.code}' is ${first} and ${other} parameter, which have no order in common: name types by _type`,
      { expression: ['_sort'] },
    );
  }
}

/**
 * The page of matches of all queries, which are those of one search, by type: same criteria, same sort. One order over all
 * types: by the sort keys, then by `rid`, which rises over all types.
 */
export async function findMerged(page: PageContext, queries: readonly SearchQuery[]): Promise<Page> {
  const [{ count = 0 } = {} as SearchQuery] = queries;
  const keys = queries[0] ? sortKeys(queries[0], page.definitions) : [];
  assertOneOrder(page, queries, keys);
  let found: Typed[] = [];
  for (let i = 0; i < queries.length; i += CONCURRENT_MAX) {
    const some = queries.slice(i, i + CONCURRENT_MAX);
    const rows = await Promise.all(
      some.map(async (query) =>
        (await findRows(page, query)).map((row) => ({ type: query.type, row, keys: keysOf(row, keys.length) })),
      ),
    );
    found = [...found, ...rows.flat()].sort((a, b) => compareRows(keys, a, b)).slice(0, count + 1);
  }
  const shown = found.slice(0, fitting(found, count));
  const resources: StoredVersion[] = shown.map(({ type, row }) => storedOf(type, row));
  const last = shown.at(-1);
  if (found.length === shown.length || !last) return { resources };
  return { resources, nextCursor: cursorOf(last.row, keys.length, queries[0]) };
}

/** Of these types the ones that have resources at all: most of R4's 146 have none. */
export async function populated({ db }: PageContext, types: readonly string[], tableOf: (type: string) => string) {
  const one = (type: string) => `select '${type}' as type where exists (select 1 from ${tableOf(type)})`;
  const rows = await db.query<{ type: string }>(statementFor(types.map(one).join(' union all ')));
  return rows.map(({ type }) => type);
}
