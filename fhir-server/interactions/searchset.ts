// The searchset Bundle as JSON text: https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/bundle.html#searchset
import {
  operationOutcome,
  type SearchPage,
  type SearchQuery,
  type StoredVersion,
  selfLinkQuery,
  stringify,
} from '#fhir-model';
import { type Between, type PageText, pageBytes } from '../search/page-text.ts';
import type { Core } from './core.ts';
import { applySubset, subsetOf } from './subset.ts';

/** A contained resource goes by its container's: https://hl7.org/fhir/R4/search.html#contained */
const urlOf = ({ type, id, containedIn }: StoredVersion): string =>
  containedIn === undefined ? `${type}/${id}` : `${containedIn}#${encodeURIComponent(id)}`;

const entryText = (core: Core, one: StoredVersion, text: string, mode: 'match' | 'include'): string =>
  `{"fullUrl":"${core.baseUrl}/${urlOf(one)}","resource":${text},"search":{"mode":"${mode}"}}`;

const link = (relation: string, url: string): string => `{"relation":"${relation}","url":${JSON.stringify(url)}}`;

/** The self link holds what was used, so a client sees what was ignored: https://hl7.org/fhir/R4/search.html#conformance */
function linksText(url: string, query: SearchQuery, next: string | undefined): string {
  const used = selfLinkQuery(query);
  const first = used === '' ? url : `${url}?${used}`;
  const at = (cursor: string | undefined) =>
    cursor === undefined ? first : `${first}${used === '' ? '?' : '&'}_cursor=${cursor}`;
  const self = link('self', at(query.cursor));
  // "no entries, and no prev/next/last links": #count
  if (query.count === 0 || query.summary === 'count') return self;
  const links = `${self},${link('first', first)}`;
  return next === undefined ? links : `${links},${link('next', at(next))}`;
}

function entriesOf(core: Core, query: SearchQuery, page: SearchPage): string[] {
  const subset = subsetOf(query);
  // "The list of elements does not apply to included resources": #elements
  const ofIncluded = subset && 'summary' in subset ? subset : undefined;
  const entries = page.resources.map((one) => entryText(core, one, applySubset(core, one.body, subset), 'match'));
  for (const one of page.included) {
    entries.push(entryText(core, one, applySubset(core, one.body, ofIncluded), 'include'));
  }
  if (page.issues && page.issues.length > 0) {
    entries.push(`{"resource":${stringify(operationOutcome(page.issues))},"search":{"mode":"outcome"}}`);
  }
  return entries;
}

interface Head {
  total?: number | undefined;
  nextCursor?: string | undefined;
}

/** Up to the entries. */
function headText(core: Core, path: string, query: SearchQuery, { total, nextCursor }: Head): string {
  const url = path === '' ? core.baseUrl : `${core.baseUrl}/${path}`;
  const totalText = total === undefined ? '' : `"total":${total},`;
  return `{"resourceType":"Bundle","type":"searchset",${totalText}"link":[${linksText(url, query, nextCursor)}]`;
}

/**
 * By concatenation: stored bodies are parsed only for _summary and _elements. `path` is what the search was on, below the
 * base: `Patient`, `Patient/1/Observation`, or nothing.
 */
export function searchsetText(core: Core, path: string, query: SearchQuery, page: SearchPage): string {
  const entries = entriesOf(core, query, page);
  const entry = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  return `${headText(core, path, query, page)}${entry}}`;
}

const AFTER_ID = '","resource":';
const AFTER_BODY = ',"search":{"mode":"match"}}';
const beforeId = (core: Core, type: string): string => `{"fullUrl":"${core.baseUrl}/${type}/`;

/** What stands between the bodies of matches. */
export const betweenOf = (core: Core, type: string): Between => ({
  beforeId: `${AFTER_BODY},${beforeId(core, type)}`,
  afterId: AFTER_ID,
});

/** The same of a page of whole matches that PostgreSQL has put together. */
export function searchsetBytes(
  core: Core,
  path: string,
  query: SearchQuery,
  { found, ...told }: Head & { found: PageText },
  between: Between,
): Buffer {
  const head = headText(core, path, query, told);
  if (found.length === 0) return Buffer.from(`${head}}`);
  const start = `${head},"entry":[${beforeId(core, query.type)}${found.first}${AFTER_ID}`;
  return pageBytes(found, query.count, between, start, `${AFTER_BODY}]}`);
}
