// https://hl7.org/fhir/R4/http.html#history
import { type AccessScope, isId, parseDateRange } from '#fhir-model';
import { CerebraError } from '#platform';
import { type HistoryCursor, type HistoryEntry, type HistoryRequest, readHistory } from '../store/read.ts';
import type { Core } from './core.ts';
import { etag } from './etag.ts';
import { assertType } from './search.ts';

const bad = (name: string, text: string): CerebraError =>
  new CerebraError('invalid-parameter', text, { expression: [name] });

function parseCount(core: Core, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw bad('_count', '_count must be a whole number, 0 or more');
  return Math.min(Number(text), core.limits.searchCountMax);
}

function parseCursor(text: string): HistoryCursor {
  const match = /^(\d{1,15})-(\d{1,18})$/.exec(Buffer.from(text, 'base64url').toString('latin1'));
  if (!match) throw bad('_cursor', 'This _cursor is not one of a history link: start again at the first page');
  return { updatedMs: Number(match[1]), seq: BigInt(match[2]!) };
}

const encodeCursor = (entry: HistoryEntry): string =>
  Buffer.from(`${entry.updatedMs}-${entry.seq}`).toString('base64url');

interface Asked {
  count: number;
  sinceMs?: number;
  before?: HistoryCursor;
  /** For the links. */
  used: string[];
}

function parse(core: Core, pairs: [string, string][], strict: boolean): Asked {
  const asked: Asked = { count: core.limits.searchCountDefault, used: [] };
  for (const [name, value] of pairs) {
    if (name === '_cursor') asked.before = parseCursor(value);
    else if (name === '_count') asked.count = parseCount(core, value);
    else if (name === '_since') {
      const range = parseDateRange(value);
      if (!range) throw bad('_since', `_since must be an instant like 2026-01-31T12:00:00Z`);
      asked.sinceMs = range.lo;
    } else if (name === '_format' || name === '_pretty') continue;
    else if (strict)
      throw new CerebraError('unknown-parameter', `History knows no parameter '${name.slice(0, 80)}'`, {
        expression: [name],
      });
    else continue;
    if (name !== '_cursor') asked.used.push(`${name}=${encodeURIComponent(value)}`);
  }
  return asked;
}

const METHODS = { c: 'POST', u: 'PUT', d: 'DELETE' } as const;
const STATUSES = { c: '201 Created', u: '200 OK', d: '204 No Content' } as const;

function entryText(core: Core, entry: HistoryEntry): string {
  const url = entry.op === 'c' ? entry.type : `${entry.type}/${entry.id}`;
  const resource = entry.deleted ? '' : `"resource":${entry.body},`;
  const modified = new Date(entry.updatedMs).toISOString();
  return `{"fullUrl":"${core.baseUrl}/${entry.type}/${entry.id}",${resource}"request":{"method":"${METHODS[entry.op]}","url":"${url}"},"response":{"status":"${STATUSES[entry.op]}","etag":${JSON.stringify(etag(entry.version))},"lastModified":"${modified}"}}`;
}

/**
 * The history Bundle of a resource, a type (no `id`) or all (no `type`), newest first, as JSON text.
 * Throws `not-found` for an id that was never used.
 */
export async function history(
  core: Core,
  target: { type?: string; id?: string },
  pairs: [string, string][],
  scope: AccessScope,
  strict: boolean,
): Promise<string> {
  if (target.type !== undefined) assertType(core, target.type);
  const unknown = () => new CerebraError('not-found', `${target.type}/${target.id?.slice(0, 64)} is not known`);
  if (target.id !== undefined && !isId(target.id)) throw unknown();
  const asked = parse(core, pairs, strict);
  const request: HistoryRequest = { ...target, count: asked.count };
  if (asked.sinceMs !== undefined) request.sinceMs = asked.sinceMs;
  if (asked.before) request.before = asked.before;
  const { entries: shown, more } = await readHistory(core.store.db, core.store.layout, request, scope);
  const whole = !asked.before && asked.sinceMs === undefined;
  if (target.id !== undefined && shown.length === 0 && !more && whole) throw unknown();
  const path = [core.baseUrl, target.type, target.id, '_history'].filter((part) => part !== undefined).join('/');
  const link = (relation: string, parts: string[]) =>
    `{"relation":"${relation}","url":${JSON.stringify(parts.length > 0 ? `${path}?${parts.join('&')}` : path)}}`;
  const links = [link('self', asked.used)];
  const last = shown.at(-1);
  if (more && last) links.push(link('next', [...asked.used, `_cursor=${encodeCursor(last)}`]));
  const entries = shown.map((entry) => entryText(core, entry));
  const entry = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  return `{"resourceType":"Bundle","type":"history","link":[${links.join(',')}]${entry}}`;
}
