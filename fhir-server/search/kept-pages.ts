// First pages of searches by codes, `Observation?code=…` or what is polled, `Task?status=requested`. A walk to the newest 20
// of one in 30 looks at 600 rows, and where none of the newest has the code all that have it are read (64,000 of 385,000 in half a
// second); so which resources it found is kept, and looked at
// again with those that were changed since, as kept-totals.ts does with totals. The result is that of one snapshot: what
// matches now and did not then was changed by a transaction that the first statement had not seen. Where nothing of the type
// has changed, the text itself is the page: no body is read and sent again.
import type { Criterion } from '#fhir-model';
import { currentTable } from '../store/layout.ts';
import { steady } from '../store/sql.ts';
import { isOfCodes, tokensOfEach } from './by-token.ts';
import { CHANGES_MAX, type Changed, type Seen } from './changed-types.ts';
import { lookUpAll } from './look-up.ts';
import type { Asked, Found } from './page.ts';
import { bodyOf } from './page-bytes.ts';
import { type PageText, textSql } from './page-text.ts';
import { createSql, type Sql, statementFor } from './sql-text.ts';

/** What a page was made of. */
interface Kept extends Seen {
  /** Numbers of its resources, as PostgreSQL writes an array. */
  rids: string;
  /** All that there was: else there are older ones that are not known, at least two are kept, and the last of `rids` is the oldest. */
  whole: boolean;
  untilMs: number;
  /** As it was found, where its text is kept too. */
  found?: PageText;
  /** Nothing of the type had changed when it was asked for last: it may well be so again. */
  quiet: boolean;
}

const KEPT_MAX = 2000;
/**
 * Then it is looked for anew, however often it was asked for meanwhile: a host that has taken over the database may lack the last
 * changes, and no change tells of that.
 */
const KEPT_MS = 60_000;
/** Of all texts, in characters. */
const TEXTS_LENGTH_MAX = 16 * 1024 * 1024;
/** Of one. */
const TEXT_LENGTH_MAX = 512 * 1024;
/** Longer pages are rare, and cost less for what they have. */
const LIMIT_MAX = 128;

interface KeptPage {
  asked: Asked;
  /** Of each criterion, any of which is enough. */
  tokens: string[][];
  kept: Kept;
}

/** Of one search: a code of more systems is rare, and so is a longer list of codes. */
const TOKENS_MAX = 32;

/** Identifiers are rare, and found at once; all of a system may be many. */
const isIdentifier = ({ param, values }: Criterion): boolean =>
  param.code === 'identifier' && values.every((value) => value.kind === 'token' && value.code !== undefined);

/** Texts of first pages of codes, newest first, seen without restriction. */
function isKind({ query, cursor, limit, between, page }: Asked): boolean {
  if (!between || cursor !== undefined || limit > LIMIT_MAX || query.sort.length > 0) return false;
  if (page.scope.kind !== 'everything' || !page.totals || query.contained !== undefined) return false;
  return query.criteria.length > 0 && query.criteria.every((each) => isOfCodes(each) && !isIdentifier(each));
}

/** Undefined where more than tokens decides, or too many of them. */
async function tokensFor({ page, query }: Asked): Promise<string[][] | undefined> {
  let tokens = tokensOfEach(query);
  if (!tokens) {
    await lookUpAll(page, query.criteria);
    tokens = tokensOfEach(query, page.found);
  }
  return tokens && tokens.flat().length <= TOKENS_MAX ? tokens : undefined;
}

const hasAny = (tokens: string[], value: (one: unknown) => string): string =>
  tokens.length === 1 ? `${value(tokens[0])}::bigint = any(r.tokens)` : `r.tokens && ${value(tokens)}::bigint[]`;

function keptSql({ asked, tokens, kept }: KeptPage): Sql {
  const { query, page, limit } = asked;
  const sql = createSql();
  // What is older than all that are known, and matches since, need not be the next.
  const oldest = kept.whole ? '0' : kept.rids.slice(kept.rids.lastIndexOf(',') + 1, -1);
  const typeCode = page.totals!.layout.codeOf(query.type);
  const [horizon, type, rids, from] = [kept.horizon, typeCode, kept.rids, oldest].map(sql.value);
  const table = currentTable(query.type);
  // Found in the order of the index, so that no bodies are sorted: a quarter less.
  const rows = `select r.rid, r.id, ${bodyOf(asked, 'r', 'r.rid desc')} from ${table} r
    where r.rid = any(${rids}::bigint[] || array(select rid from c)) and r.rid >= ${from}::bigint
      and ${tokens.map((each) => hasAny(each, sql.value)).join(' and ')}
    order by r.rid desc limit ${sql.value(limit)}`;
  const text = `with a as materialized (select c.type, c.id from change c where c.xid >= ${steady(`${horizon}::xid8`)}
      order by c.xid, c.seq limit ${CHANGES_MAX + 1}),
    c as materialized (select r.rid from a join ${table} r on r.id = a.id where a.type = ${type}::smallint)
    select (select count(*)::int from a) as changes, exists (select from a where a.type = ${type}::smallint) as changed,
      t.* from (${textSql(asked, sql, rows)}) t`;
  return { text, values: sql.values };
}

/** Undefined where the page is not known to be whole. */
async function bringUp(page: KeptPage): Promise<Looked | undefined> {
  const { asked, kept } = page;
  const { text, values } = keptSql(page);
  const [row] = await asked.page.db.query<PageText & { changes: number; changed: boolean }>(statementFor(text), values);
  const found = row!;
  const isWhole =
    found.changes <= CHANGES_MAX &&
    found.epoch === kept.epoch &&
    found.bodies === found.length &&
    (kept.whole || found.length >= asked.limit);
  return isWhole ? { found, quiet: !found.changed } : undefined;
}

interface Looked {
  found: Found;
  quiet: boolean;
}

/** Undefined where the text is not kept, or may not be the page any more. */
async function unchanged(
  { asked, kept }: KeptPage,
  changedSince: (horizon: string) => Promise<Changed>,
): Promise<Looked | undefined> {
  if (!kept.found || !kept.quiet) return undefined;
  const { horizon, epoch, changes, types } = await changedSince(kept.horizon);
  const isSame =
    epoch === kept.epoch &&
    changes <= CHANGES_MAX &&
    !types.includes(asked.page.totals!.layout.codeOf(asked.query.type));
  return isSame ? { found: { ...kept.found, horizon, epoch }, quiet: true } : undefined;
}

/** By name, in the order in which they were asked for last. */
function createPages() {
  const pages = new Map<string, Kept>();
  let textsLength = 0;
  const remove = (name: string): void => {
    textsLength -= pages.get(name)?.found?.text?.length ?? 0;
    pages.delete(name);
  };
  return {
    get: (name: string): Kept | undefined => pages.get(name),
    remove,
    set(name: string, kept: Kept): void {
      remove(name);
      pages.set(name, kept);
      textsLength += kept.found?.text?.length ?? 0;
      while (pages.size > KEPT_MAX || textsLength > TEXTS_LENGTH_MAX) remove(pages.keys().next().value!);
    },
  };
}

/** Of one process: each keeps its own. `changedSince`: changed-types.ts. */
export function createKeptPages(changedSince: (horizon: string) => Promise<Changed>) {
  const pages = createPages();
  const keep = (name: string, asked: Asked, { found, quiet }: Looked, untilMs: number): void => {
    if (Array.isArray(found) || found.kept === undefined || found.bodies < found.length) {
      pages.remove(name);
      return;
    }
    const isShort = (found.text?.length ?? 0) <= TEXT_LENGTH_MAX;
    pages.set(name, {
      ...{ rids: found.kept, horizon: found.horizon!, epoch: found.epoch!, quiet },
      whole: found.length < asked.limit,
      untilMs,
      ...(isShort && { found }),
    });
  };
  const lookedFor = new Map<string, Promise<void>>();
  async function look(name: string, asked: Asked, alone: (asked: Asked) => Promise<Found>): Promise<Found> {
    const found = alone(asked);
    // One that fails, or whose caller has gone, leaves the others to themselves.
    const ended = found.then(
      (page) => keep(name, asked, { found: page, quiet: true }, asked.page.nowMs + KEPT_MS),
      () => undefined,
    );
    lookedFor.set(name, ended);
    await ended;
    if (lookedFor.get(name) === ended) lookedFor.delete(name);
    return found;
  }
  async function find(given: Asked, alone: (asked: Asked) => Promise<Found>): Promise<Found> {
    const tokens = await tokensFor(given);
    if (!tokens) return alone(given);
    const asked: Asked = { ...given, keeps: true };
    const name = `${asked.query.type} ${asked.limit} ${tokens.join(' ')}`;
    const usable = (): Kept | undefined => {
      const kept = pages.get(name);
      return kept && kept.untilMs > asked.page.nowMs ? kept : undefined;
    };
    const upToDate = async (kept: Kept): Promise<Found | undefined> => {
      const page = { asked, tokens, kept };
      const known = (await unchanged(page, changedSince)) ?? (await bringUp(page));
      if (known) keep(name, asked, known, kept.untilMs);
      return known?.found;
    };
    const first = usable();
    const found = first && (await upToDate(first));
    if (found) return found;
    // A page that is just being looked for is waited for, and brought up to this moment: once, who waits is stopped by nobody.
    const underWay = lookedFor.get(name);
    if (underWay) await underWay;
    const second = usable();
    const again = second && second !== first ? await upToDate(second) : undefined;
    return again ?? look(name, asked, alone);
  }
  /** Undefined for a search of another kind; `alone` finds a page that is not kept. */
  return (given: Asked, alone: (asked: Asked) => Promise<Found>): Promise<Found> | undefined =>
    isKind(given) ? find(given, alone) : undefined;
}
