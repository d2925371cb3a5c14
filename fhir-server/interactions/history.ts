// https://hl7.org/fhir/R4/http.html#history
import { type AccessScope, type DateRange, isId, parseDateRange, parseReference, type Subset } from '#fhir-model';
import { CerebraError, isMadeFor, type Queryable } from '#platform';
import { bounded } from '../search/deadline.ts';
import {
  countHistory,
  type HistoryCursor,
  type HistoryEntry,
  type HistoryPage,
  type HistoryRequest,
  readHistory,
} from '../store/history.ts';
import { readCurrent } from '../store/read.ts';
import type { Caller, Core } from './core.ts';
import { etag } from './etag.ts';
import { badParameter } from './parameter-fault.ts';
import { assertType } from './search.ts';
import { applySubset, readSubset } from './subset.ts';

function parseCount(core: Core, text: string): number {
  if (!/^\d+$/.test(text)) throw badParameter('_count', '_count must be a whole number, 0 or more');
  return Math.min(Number(text), core.limits.searchCountMax);
}

function parseCursor(text: string): HistoryCursor {
  const match = /^([on])(\d{1,15})-(\d{1,18})$/.exec(Buffer.from(text, 'base64url').toString('latin1'));
  if (!match) throw badParameter('_cursor', 'This _cursor is not one of a history link: start again at the first page');
  const direction = match[1] === 'o' ? 'older' : 'newer';
  return { direction, updatedMs: Number(match[2]), seq: BigInt(match[3]!) };
}

const cursorText = (direction: 'o' | 'n', { updatedMs, seq }: HistoryEntry): string =>
  `_cursor=${Buffer.from(`${direction}${updatedMs}-${seq}`).toString('base64url')}`;

function parseSince(text: string): number {
  const range = parseDateRange(text);
  if (range) return range.lo;
  throw badParameter('_since', '_since must be an instant like 2026-01-31T12:00:00Z');
}

/** Milliseconds, both inclusive. */
interface Span {
  fromMs: number;
  toMs: number;
}

const [EARLIEST, LATEST] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];

/** Approximately is within a tenth of the time since then: https://hl7.org/fhir/R4/search.html#prefix */
function approximate({ lo, hi }: DateRange, nowMs: number): Span {
  const gapMs = Math.round(Math.abs(nowMs - (lo + hi) / 2) / 10);
  return { fromMs: lo - gapMs, toMs: hi + gapMs };
}

const after = ({ hi }: DateRange): Span => ({ fromMs: hi + 1, toMs: LATEST });
const until = ({ lo }: DateRange): Span => ({ fromMs: EARLIEST, toMs: lo - 1 });

const SPANS: Record<string, (range: DateRange, nowMs: number) => Span> = {
  eq: ({ lo, hi }) => ({ fromMs: lo, toMs: hi }),
  ge: ({ lo }) => ({ fromMs: lo, toMs: LATEST }),
  le: ({ hi }) => ({ fromMs: EARLIEST, toMs: hi }),
  gt: after,
  sa: after,
  lt: until,
  eb: until,
  ap: approximate,
};

/** https://hl7.org/fhir/R4/search.html#date: a time, a day, a month, a year; with a prefix it is open on one side. */
function parseAt(text: string, nowMs: number): Span {
  const [, prefix = 'eq', date = ''] = /^([a-z]{2})?(.*)$/s.exec(text) ?? [];
  const range = parseDateRange(date);
  if (range && prefix === 'ne') {
    throw badParameter(
      '_at',
      "_at can't have the prefix ne: ask with lt for what was current before, with gt for what was after",
    );
  }
  const span = range && Object.hasOwn(SPANS, prefix) ? SPANS[prefix] : undefined;
  if (!range || !span) {
    throw badParameter(
      '_at',
      '_at must be a date or time like 2026-01-31 or ge2026-01-31T12:00:00Z; give it again for a second one',
    );
  }
  return span(range, nowMs);
}

interface Asked {
  count: number;
  sinceMs?: number;
  at?: Span;
  cursor?: HistoryCursor;
  /** The id of a List. */
  list?: string;
  /** For the links. */
  used: string[];
}

/** `List/42` or `42`. The lists that are named for their purpose, `$current-allergies`, are not kept. */
function parseList(text: string): string {
  const id = text.replace(/^List\//, '');
  if (isId(id)) return id;
  throw badParameter('_list', '_list must be the id of a List; functional lists ($current-…) are not kept');
}

type Reader = (core: Core, value: string, asked: Asked) => void;

const READERS: Record<string, Reader> = {
  _count: (core, value, asked) => {
    asked.count = parseCount(core, value);
  },
  _since: (_core, value, asked) => {
    asked.sinceMs = parseSince(value);
  },
  // Current at some time of each: https://hl7.org/fhir/R4/search.html#combining
  _at: (core, value, asked) => {
    const { fromMs, toMs } = parseAt(value, core.store.clock.now());
    const { at = { fromMs: EARLIEST, toMs: LATEST } } = asked;
    asked.at = { fromMs: Math.max(at.fromMs, fromMs), toMs: Math.min(at.toMs, toMs) };
  },
  _list: (_core, value, asked) => {
    asked.list = parseList(value);
  },
  _cursor: (_core, value, asked) => {
    asked.cursor = parseCursor(value);
  },
  _summary: (_core, value, asked) => {
    if (value === 'count') asked.count = 0;
  },
};

/** How the answer looks; links keep it, so that the next page has the same form. */
const FORM = new Set(['_format', '_pretty', '_elements']);

function parse(core: Core, pairs: [string, string][], strict: boolean): Asked {
  const asked: Asked = { count: core.limits.searchCountDefault, used: [] };
  const seen = new Set<string>();
  for (const [name, value] of pairs) {
    const read = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (!read && !FORM.has(name)) {
      if (!strict) continue;
      const text = `History knows no parameter '${name.slice(0, 80)}'`;
      throw new CerebraError('unknown-parameter', text, { expression: [name] });
    }
    if (seen.has(name) && name !== '_at') throw badParameter(name, `${name} may be given once`);
    seen.add(name);
    read?.(core, value, asked);
    if (name !== '_cursor') asked.used.push(`${name}=${encodeURIComponent(value)}`);
  }
  return asked;
}

const METHODS = { c: 'POST', u: 'PUT', d: 'DELETE' } as const;
const STATUSES = { c: '201 Created', u: '200 OK', d: '204 No Content' } as const;

function entryText(core: Core, entry: HistoryEntry, subset: Subset | undefined): string {
  const { type, id, op, version } = entry;
  // Ids of this server tell when they were made. A resource that is as old as its id was created by POST, another one by PUT.
  const method = op === 'c' && !isMadeFor(id, entry.updatedMs) ? METHODS.u : METHODS[op];
  const url = method === METHODS.c ? type : `${type}/${id}`;
  const resource = entry.deleted ? '' : `"resource":${applySubset(core, entry.body, subset)},`;
  const status = entry.revived ? STATUSES.c : STATUSES[op];
  const location = entry.deleted ? '' : `"location":"${type}/${id}/_history/${version}",`;
  const modified = new Date(entry.updatedMs).toISOString();
  return `{"fullUrl":"${core.baseUrl}/${type}/${id}",${resource}"request":{"method":"${method}","url":"${url}"},"response":{"status":"${status}",${location}"etag":${JSON.stringify(etag(version))},"lastModified":"${modified}"}}`;
}

export interface HistoryTarget {
  type?: string;
  id?: string;
}

/** What the List's entries refer to, on this server and of the type. */
async function listed(core: Core, { scope, db }: Caller, list: string, target: HistoryTarget) {
  const found = await readCurrent(db, 'List', list, scope);
  if (!found || found.deleted) throw badParameter('_list', `List/${list} is not known`);
  const { entry = [] } = JSON.parse(found.body) as { entry?: { item?: { reference?: string }; deleted?: boolean }[] };
  return entry.flatMap(({ item, deleted }) => {
    const parsed = deleted ? undefined : parseReference(item?.reference ?? '', core.baseUrl);
    if (parsed?.kind !== 'local' || !core.store.layout.has(parsed.type)) return [];
    return target.type === undefined || target.type === parsed.type ? [{ type: parsed.type, id: parsed.id }] : [];
  });
}

async function requestOf(core: Core, caller: Caller, target: HistoryTarget, asked: Asked): Promise<HistoryRequest> {
  const { count, sinceMs, at, cursor, list } = asked;
  return {
    ...target,
    count,
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(at === undefined ? {} : { at }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(list === undefined ? {} : { only: await listed(core, caller, list, target) }),
  };
}

/** In both directions, from entries that stay where they are while others write. */
function linksText(core: Core, target: HistoryTarget, asked: Asked, { entries, more }: HistoryPage): string {
  const path = [core.baseUrl, target.type, target.id, '_history'].filter((part) => part !== undefined).join('/');
  const link = (relation: string, cursor?: string) => {
    const parts = cursor === undefined ? asked.used : [...asked.used, cursor];
    return `{"relation":"${relation}","url":${JSON.stringify(parts.length > 0 ? `${path}?${parts.join('&')}` : path)}}`;
  };
  const [first, last] = [entries[0], entries.at(-1)];
  const direction = asked.cursor?.direction;
  const links = [link('self')];
  if (!first || !last) return direction === undefined ? links[0]! : [...links, link('first')].join(',');
  if (direction !== undefined) links.push(link('first'));
  if (direction === 'older' || (direction === 'newer' && more)) links.push(link('previous', cursorText('n', first)));
  if (direction === 'newer' || more) links.push(link('next', cursorText('o', last)));
  return links.join(',');
}

/** Known where one resource's few versions are counted, or where one page has them all. */
function totalOf(core: Core, db: Queryable, request: HistoryRequest, page: HistoryPage, scope: AccessScope) {
  if (request.count > 0 && !request.cursor && !page.more) return page.entries.length;
  if (request.count > 0 && request.id === undefined) return undefined;
  return countHistory(db, core.store.layout, request, scope);
}

const unknown = ({ type, id }: HistoryTarget): CerebraError =>
  new CerebraError('not-found', `${type}/${id?.slice(0, 64)} is not known`);

async function assertUsed(db: Queryable, { type, id }: HistoryTarget, scope: AccessScope): Promise<void> {
  if (type === undefined || id === undefined) return;
  if (!(await readCurrent(db, type, id, scope))) throw unknown({ type, id });
}

/**
 * The history Bundle of a resource, a type (no `id`) or all (no `type`), newest first, as JSON text.
 * Throws `not-found` for an id that was never used, `invalid-parameter` for a parameter that is wrong or stands twice.
 */
export async function history(
  core: Core,
  target: HistoryTarget,
  pairs: [string, string][],
  caller: Caller,
  strict: boolean,
): Promise<string> {
  const { type, id } = target;
  if (type !== undefined) assertType(core, type);
  if (id !== undefined && !isId(id)) throw unknown(target);
  const asked = parse(core, pairs, strict);
  const types = type === undefined ? core.definitions.resourceTypes : [type];
  const form = pairs.filter(([name, value]) => name !== '_summary' || value !== 'count');
  const subset = readSubset(core, types, form, strict);
  return bounded(caller, core.limits.searchTimeoutMs, async (db) => {
    const request = await requestOf(core, { ...caller, db }, target, asked);
    const page = await readHistory(db, core.store.layout, request, caller.scope);
    if (page.entries.length === 0) await assertUsed(db, target, caller.scope);
    const total = await totalOf(core, db, request, page, caller.scope);
    const entries = page.entries.map((entry) => entryText(core, entry, subset));
    const entry = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
    const count = total === undefined ? '' : `"total":${total},`;
    return `{"resourceType":"Bundle","type":"history",${count}"link":[${linksText(core, target, asked, page)}]${entry}}`;
  });
}
