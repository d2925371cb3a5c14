// The pages of $everything: https://hl7.org/fhir/R4/bundle.html#searchset, https://hl7.org/fhir/R4/http.html#paging
import type { OperationRequest, StoredVersion, Subset } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { applySubset } from '../interactions/subset.ts';
import type { EverythingCursor } from './everything-input.ts';

export const encodeCursor = ({ step, rid }: EverythingCursor): string =>
  Buffer.from(`${step}-${rid}`).toString('base64url');

/** The URL of this page or, with a cursor, of the one that starts there. */
function everythingUrl(core: Core, request: OperationRequest, cursor: string | undefined): string {
  const { type, id, input, form = [] } = request;
  const pairs = [...input].flatMap(([name, values]) => values.map((value) => [name, String(value)] as const));
  const kept = [...pairs.filter(([name]) => name !== '_cursor'), ...form];
  if (cursor !== undefined) kept.push(['_cursor', cursor]);
  const query = kept.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  const place = id === undefined ? type : `${type}/${id}`;
  return `${core.baseUrl}/${place}/$everything${query === '' ? '' : `?${query}`}`;
}

export interface Shown {
  matches: StoredVersion[];
  included: StoredVersion[];
  next: EverythingCursor | undefined;
  subset: Subset | undefined;
}

/** https://hl7.org/fhir/R4/bundle.html#searchset, by concatenation of the stored bodies. */
export function bundleText(core: Core, request: OperationRequest, shown: Shown): string {
  const { matches, included, next, subset } = shown;
  const link = (relation: string, url: string) => `{"relation":"${relation}","url":${JSON.stringify(url)}}`;
  const cursor = request.input.get('_cursor')?.[0] as string | undefined;
  const links = [link('self', everythingUrl(core, request, cursor))];
  if (next) links.push(link('next', everythingUrl(core, request, encodeCursor(next))));
  const entry = (one: StoredVersion, part: Subset | undefined, mode: string) =>
    `{"fullUrl":"${core.baseUrl}/${one.type}/${one.id}","resource":${applySubset(core, one.body, part)},"search":{"mode":"${mode}"}}`;
  // As in searches, "the list of elements does not apply to included resources".
  const ofIncluded = subset && 'summary' in subset ? subset : undefined;
  const entries = [
    ...matches.map((one) => entry(one, subset, 'match')),
    ...included.map((one) => entry(one, ofIncluded, 'include')),
  ];
  const whole = cursor === undefined && !next ? `"total":${matches.length},` : '';
  const list = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  return `{"resourceType":"Bundle","type":"searchset",${whole}"link":[${links.join(',')}]${list}}`;
}
