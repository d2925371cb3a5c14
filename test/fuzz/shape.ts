// What a generated request is, and what is common to all of them.
import type { Chance } from './chance.ts';
import { garble, type Tree } from './resources.ts';

export interface FuzzRequest {
  method: string;
  /** Below the base. */
  path: string;
  headers: Record<string, string>;
  body?: string;
  /** Statuses that are right for a request of this class; which of them is for other tests to say. */
  allowed: readonly number[];
}

export const REFUSED: readonly number[] = [400, 404, 405, 406, 409, 410, 412, 413, 415, 422];

/** The JSON text, now and then damaged. */
export const bodyOf = (tree: unknown, chance: Chance): string =>
  chance.once(12) ? garble(JSON.stringify(tree), chance) : JSON.stringify(tree);

/** Conditions, preferences and formats, right and wrong. */
export function headersOf(chance: Chance): Record<string, string> {
  const { one } = chance;
  const headers: [string, string][] = [
    ['If-Match', one(['W/"1"', '*', 'W/"x"', 'garbage', '', '"2"', 'W/"1", W/"2"'])],
    ['If-None-Match', one(['*', 'W/"1"', ''])],
    [
      'If-None-Exist',
      one(['identifier=x', 'identifier=urn:example:mrn|mf1', '', 'nothing=1', '_id=%00', '&&', 'name:nothing=x']),
    ],
    ['If-Modified-Since', one(['Sat, 01 Jan 2000 00:00:00 GMT', 'yesterday'])],
    ['Prefer', one(['return=minimal', 'return=OperationOutcome', 'handling=strict', 'return=x'])],
    [
      'Accept',
      one(['application/fhir+xml', 'application/fhir+ndjson', '*/*', 'text/html;q=0.5', ';;', 'application/json']),
    ],
    ['Accept-Encoding', one(['gzip', 'br;q=1', 'x', '*;q=0'])],
    ['X-Request-Id', one(['a', 'a b', 'x'.repeat(100)])],
  ];
  const chosen = chance.once(2) ? chance.some(2, () => one(headers)) : [];
  return { 'Content-Type': 'application/fhir+json', ...Object.fromEntries(chosen) };
}

/** Of whatever a spoilt resource has: an object may have a `toString` of its own. */
export const textOf = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/** As a path segment. */
const part = (value: unknown): string => encodeURIComponent(textOf(value).slice(0, 100).toWellFormed());

export const targetOf = (tree: Tree, chance: Chance): string =>
  `${chance.once(20) ? 'Nope' : part(tree.resourceType ?? 'Patient')}/${part(tree.id ?? 'f1')}`;
